/**
 * One HTTP header field and what is known of its name. The class of a name is found once, when the field is made, so
 * that a field taken from a header table costs no comparison of strings.
 */

/** Classes of names. Those from `AUTHORITY` on have a meaning for requests; `OTHER` is only checked. */
const OTHER = 0;
/** A name with octets that HTTP/2 forbids (upper case, control, not a token) or an unknown pseudo-header. */
export const BAD_NAME = 1;
/** Fields of HTTP/1.1 connections, which make an HTTP/2 request malformed. */
export const CONNECTION_SPECIFIC = 2;
export const AUTHORITY = 3;
export const METHOD = 4;
export const SCHEME = 5;
export const PATH = 6;
export const CONTENT_TYPE = 7;
export const CONTENT_LENGTH = 8;
export const TE = 9;
export const GRPC_TIMEOUT = 10;
export const GRPC_ENCODING = 11;
export const CLIENT_API_VERSION = 12;
export const HAS_LEADER = 13;
export const TOKEN = 14;
export const AUTHORIZATION = 15;
export const STATUS = 16;

const KINDS = new Map<string, number>([
  [":authority", AUTHORITY],
  [":method", METHOD],
  [":scheme", SCHEME],
  [":path", PATH],
  [":status", STATUS],
  ["content-type", CONTENT_TYPE],
  ["content-length", CONTENT_LENGTH],
  ["te", TE],
  ["grpc-timeout", GRPC_TIMEOUT],
  ["grpc-encoding", GRPC_ENCODING],
  ["client-api-version", CLIENT_API_VERSION],
  ["hasleader", HAS_LEADER],
  ["token", TOKEN],
  ["authorization", AUTHORIZATION],
  ["connection", CONNECTION_SPECIFIC],
  ["keep-alive", CONNECTION_SPECIFIC],
  ["proxy-connection", CONNECTION_SPECIFIC],
  ["transfer-encoding", CONNECTION_SPECIFIC],
  ["upgrade", CONNECTION_SPECIFIC],
]);

/** Octets of a field name: the token characters of RFC 9110 without upper case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** A field value must not hold NUL, CR or LF (RFC 9113, section 8.2.1), nor begin or end with a blank. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

/** A field is immutable and may be shared by header tables, requests and connections. */
export class HeaderField {
  readonly name: string;
  /** One character per octet. */
  readonly value: string;
  /** What the field counts in a header table and in a header list: RFC 7541, section 4.1. */
  readonly size: number;
  readonly kind: number;
  readonly valueValid: boolean;

  constructor(name: string, value: string, kind: number) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + 32;
    this.kind = kind;
    this.valueValid = !BAD_VALUE.test(value);
  }
}

/** The class of a name, one of the constants above. */
export function kindOfName(name: string): number {
  return KINDS.get(name) ?? (NAME.test(name) ? OTHER : BAD_NAME);
}
