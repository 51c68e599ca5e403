/** A gRPC status as HTTP answers it: the code of google.rpc.Code's table, and the body that etcd's gateway gives. */
import {
  CANCELED,
  DEADLINE_EXCEEDED,
  FAILED_PRECONDITION,
  INVALID_ARGUMENT,
  NOT_FOUND,
  OUT_OF_RANGE,
  PERMISSION_DENIED,
  RESOURCE_EXHAUSTED,
  UNAUTHENTICATED,
  UNAVAILABLE,
  UNIMPLEMENTED,
} from "../../proto/grpc-codes.ts";
import type { Status } from "../transport/service.ts";

const HTTP_STATUSES: ReadonlyMap<number, number> = new Map([
  [CANCELED, 499],
  [INVALID_ARGUMENT, 400],
  [DEADLINE_EXCEEDED, 504],
  [NOT_FOUND, 404],
  [PERMISSION_DENIED, 403],
  [RESOURCE_EXHAUSTED, 429],
  [FAILED_PRECONDITION, 400],
  [OUT_OF_RANGE, 400],
  [UNIMPLEMENTED, 501],
  [UNAVAILABLE, 503],
  [UNAUTHENTICATED, 401],
]);

export function httpStatusOf({ code }: Status): number {
  return HTTP_STATUSES.get(code) ?? 500;
}

/** As an object of JSON. An empty text is left out. */
export function statusJson({ code, message }: Status): string {
  return JSON.stringify(message === "" ? { code } : { code, message });
}
