/** Methods that are there before they can be served: a client is told to come again instead of not being heard. */
import { UNAVAILABLE } from "../../proto/grpc-codes.ts";
import type { StartProgress } from "../engine/start-progress.ts";
import type { Method, Status } from "../transport/service.ts";
import { ended } from "./method.ts";

/**
 * The same methods, which refuse every call with Unavailable until the start is over. From then on they are the methods
 * given and cost nothing more, on connections that were there before as well.
 */
export function refuseWhileStarting(methods: readonly Method[], start: StartProgress): readonly Method[] {
  if (start.isOver) return methods;
  return methods.map((method) => withGate(method, start));
}

function withGate(method: Method, start: StartProgress): Method {
  const refused = (): Status => ({
    code: UNAVAILABLE,
    message: `etcdserver: the server is starting: ${start.describe()}`,
  });
  const { kind, path } = method;
  switch (kind) {
    case "unary": {
      const gate: Method = { kind, path, handle: (call) => call.fail(refused()) };
      start.whenOver(() => (gate.handle = method.handle));
      return gate;
    }
    case "server-stream": {
      const gate: Method = { kind, path, handle: (call) => ended(call, refused()) };
      start.whenOver(() => (gate.handle = method.handle));
      return gate;
    }
    case "bidi": {
      const gate: Method = { kind, path, open: (call) => ended(call, refused()) };
      start.whenOver(() => (gate.open = method.open));
      return gate;
    }
  }
}
