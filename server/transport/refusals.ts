/** The statuses with which the transport itself refuses or ends a call. */
import { RESOURCE_EXHAUSTED, UNAVAILABLE } from "../../proto/grpc-codes.ts";
import type { Status } from "./service.ts";

/** What calls that still run are ended with when the server stops: clients go to another member, or come again. */
export const SERVER_STOPPED: Status = { code: UNAVAILABLE, message: "etcdserver: server stopped" };

/** A call that finds no room for its answer, and has done nothing. */
export const TOO_MANY_REQUESTS: Status = {
  code: RESOURCE_EXHAUSTED,
  message: "etcdserver: too many requests",
  isForWantOfRoom: true,
};

/** For an answer that is there and finds no room: Unavailable, because what the call did is done. */
export const ANSWER_DROPPED: Status = {
  code: UNAVAILABLE,
  message: "etcdserver: the answer is dropped, because too many are unread",
};
