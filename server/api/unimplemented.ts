/** A well-formed Unimplemented for every RPC of etcd's interface that has no implementation here. */
import { allMethods } from "../../proto/schema.ts";
import type { Method } from "../transport/service.ts";
import { ended } from "./method.ts";
import { unimplemented } from "./statuses.ts";

/** The methods of etcd's interface whose path is in none of `served`. */
export function unimplementedMethods(served: readonly Method[]): Method[] {
  const paths = new Set(served.map((method) => method.path));
  return allMethods()
    .filter(({ path }) => !paths.has(path))
    .map(({ path, requestStream, responseStream }): Method => {
      const status = unimplemented(path.slice(path.lastIndexOf("/") + 1));
      if (requestStream) return { kind: "bidi", path, open: (call) => ended(call, status) };
      if (responseStream) return { kind: "server-stream", path, handle: (call) => ended(call, status) };
      return { kind: "unary", path, handle: (call) => call.fail(status) };
    });
}
