/**
 * Methods that are there before they can be served, and while nobody leads: a client is told to come again instead of not
 * being heard. Whether that is so is asked for no call: what is called changes when it changes, on connections that were
 * there before as well.
 */
import { UNAVAILABLE } from "../../proto/grpc-codes.ts";
import type { Leadership } from "../engine/leadership.ts";
import type { StartProgress } from "../engine/start-progress.ts";
import type { Method, Status, StreamListener } from "../transport/service.ts";
import { ended, failed } from "./method.ts";

const STATUS_PATH = "/etcdserverpb.Maintenance/Status";

/** Why a call is refused, or null. */
type Refuse = (call: { readonly metadata: { readonly hasLeader: boolean } }) => Status | null;

/**
 * The same methods. Until the start is over they refuse every call with Unavailable; while nobody leads they refuse who
 * asks for a leader. Else they are the methods given and cost nothing more.
 */
export function gatedMethods(
  methods: readonly Method[],
  start: StartProgress,
  leadership: Leadership,
): readonly Method[] {
  const refuseStarting: Refuse = () => ({
    code: UNAVAILABLE,
    message: `etcdserver: ${start.isStandby ? "" : "the server is starting: "}${start.describe()}`,
  });
  // A standby says how far it has come.
  const refuseStatus: Refuse = (call) => (start.isStandby ? null : refuseStarting(call));
  const refuseUnled: Refuse = ({ metadata }) => (metadata.hasLeader ? leadership.refuse() : null);
  const gates = methods.map((method) => ({ method, gate: { ...method } }));
  const choose = (): void => {
    const refuse = start.isOver ? (leadership.isLost ? refuseUnled : null) : refuseStarting;
    for (const { method, gate } of gates) {
      const isStatus = method.path === STATUS_PATH && !start.isOver;
      const own = isStatus ? refuseStatus : refuse;
      Object.assign(gate, own === null ? method : refusing(method, own));
    }
  };
  choose();
  if (!start.isOver) start.whenOver(choose);
  leadership.onChange(choose);
  return gates.map(({ gate }) => gate);
}

/** The same method, which is called only when the call is not refused. */
function refusing(method: Method, refuse: Refuse): Method {
  const { kind, path } = method;
  switch (kind) {
    case "unary":
      return {
        kind,
        path,
        handle(call, message): void {
          const refused = refuse(call);
          if (refused === null) method.handle(call, message);
          else call.fail(refused);
        },
      };
    case "waiting":
      return {
        kind,
        path,
        handle(call, message): StreamListener {
          const refused = refuse(call);
          return refused === null ? method.handle(call, message) : failed(call, refused);
        },
      };
    case "server-stream":
      return {
        kind,
        path,
        handle(call, message): StreamListener {
          const refused = refuse(call);
          return refused === null ? method.handle(call, message) : ended(call, refused);
        },
      };
    case "bidi":
      return {
        kind,
        path,
        open(call): StreamListener {
          const refused = refuse(call);
          return refused === null ? method.open(call) : ended(call, refused);
        },
      };
  }
}
