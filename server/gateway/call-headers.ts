/** What a call learns from the headers of its HTTP request: as etcd's gateway hands them on to gRPC. */
import type { IncomingHttpHeaders } from "node:http";
import { INVALID_ARGUMENT } from "../../proto/grpc-codes.ts";
import type { CallMetadata, Status } from "../transport/service.ts";

/** Headers of gRPC go by their names behind this. */
const PREFIX = "grpc-metadata-";

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

export function metadataOf(headers: IncomingHttpHeaders): CallMetadata {
  return {
    clientApiVersion: text(headers, `${PREFIX}client-api-version`),
    hasLeader: text(headers, `${PREFIX}hasleader`) === "true",
    token: text(headers, `${PREFIX}token`) ?? text(headers, "authorization") ?? text(headers, `${PREFIX}authorization`),
  };
}

/** A value with other characters is none. */
function text(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" && /^[\x20-\x7e]*$/.test(value) ? value : null;
}

/** How many milliseconds the call may take by its `grpc-timeout` header, null for as long as it wants, or what is wrong. */
export function timeoutOf(headers: IncomingHttpHeaders): number | null | Status {
  const value = headers["grpc-timeout"];
  if (typeof value !== "string" || value === "") return null;
  const match = /^([+-]?[0-9]{1,18})([HMSmun])$/.exec(value);
  if (match === null) return { code: INVALID_ARGUMENT, message: `invalid grpc-timeout: ${value}` };
  const timeoutMs = Number(match[1]) * UNIT_MS[match[2]];
  return timeoutMs === 0 ? null : timeoutMs;
}
