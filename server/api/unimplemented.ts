/**
 * A well-formed Unimplemented for every RPC of etcd's interface that has no implementation here. They are listed, as
 * reading the .proto files for their names would be felt at each start; a test compares.
 */
import type { Method } from "../transport/service.ts";
import { ended } from "./method.ts";
import { unimplemented } from "./statuses.ts";

const UNARY: readonly string[] = [
  "/v3lockpb.Lock/Lock",
  "/v3lockpb.Lock/Unlock",
  "/v3electionpb.Election/Campaign",
  "/v3electionpb.Election/Proclaim",
  "/v3electionpb.Election/Leader",
  "/v3electionpb.Election/Resign",
];

const SERVER_STREAM: readonly string[] = ["/v3electionpb.Election/Observe"];

export const unimplementedMethods: readonly Method[] = [
  ...UNARY.map((path): Method => ({ kind: "unary", path, handle: (call) => call.fail(statusOf(path)) })),
  ...SERVER_STREAM.map((path): Method => ({
    kind: "server-stream",
    path,
    handle: (call) => ended(call, statusOf(path)),
  })),
];

function statusOf(path: string): ReturnType<typeof unimplemented> {
  return unimplemented(path.slice(path.lastIndexOf("/") + 1));
}
