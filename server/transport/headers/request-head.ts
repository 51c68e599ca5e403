/**
 * What a request's header block says: which method is called, with which metadata, and whether the headers are legal
 * (RFC 9113, section 8; the gRPC protocol over HTTP/2). A head is immutable and shared by all requests with equal blocks.
 */

import { parseGrpcTimeout } from "./grpc-timeout.ts";
import {
  AUTHORITY,
  AUTHORIZATION,
  BAD_NAME,
  CLIENT_API_VERSION,
  CONNECTION_SPECIFIC,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  GRPC_ENCODING,
  GRPC_TIMEOUT,
  HAS_LEADER,
  METHOD,
  PATH,
  SCHEME,
  STATUS,
  TE,
  TOKEN,
} from "./header-field.ts";
import type { HeaderField } from "./header-field.ts";
import type { FieldSink } from "./hpack.ts";
import type { MethodTable } from "../method-table.ts";
import { INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED } from "../../../proto/grpc-codes.ts";
import type { CallMetadata, Method, Status, Traffic } from "../service.ts";

/** An answer that the headers alone decide. */
export interface Refusal {
  readonly httpStatus: number;
  readonly status: Status;
}

export interface RequestHead {
  /** True when the headers break HTTP/2's rules: the stream is reset with PROTOCOL_ERROR. Nothing else counts then. */
  readonly malformed: boolean;
  /** Set when the request is refused without looking at its body. */
  readonly refusal: Refusal | null;
  /** The method called, or null when it is refused or a plain HTTP request. */
  readonly method: Method | null;
  readonly metadata: CallMetadata;
  /** The time the client gives the call, in milliseconds, or -1. */
  readonly timeoutMs: number;
  /** The `grpc-encoding` header, or "identity". */
  readonly encoding: string;
  /** The `content-length` header, or -1. */
  readonly contentLength: number;
  /** All fields of a plain HTTP request in their order; null for gRPC. */
  readonly plainFields: readonly HeaderField[] | null;
}

/** Pseudo-headers that a request must have, as bits of their kinds. CONNECT is not served and so has no exception. */
const REQUIRED = (1 << METHOD) | (1 << SCHEME) | (1 << PATH);
const PSEUDO = REQUIRED | (1 << AUTHORITY) | (1 << STATUS);

/** Gathers the fields of one block after the other, and judges each block as a whole. */
export class RequestHeadReader implements FieldSink {
  readonly #methods: MethodTable;
  readonly #listBytesMax: number;
  readonly #traffic: Traffic;
  /** Bits of the kinds seen. */
  #seen = 0;
  #regularSeen = false;
  #malformed = false;
  #listBytes = 0;
  #httpMethod = "";
  #path = "";
  #contentType = "";
  #contentLength = "";
  #timeout = "";
  #encoding = "identity";
  #clientApiVersion: string | null = null;
  #hasLeader = false;
  #token: string | null = null;
  #authorization: string | null = null;
  #fields: HeaderField[] = [];

  /**
   * @param listBytesMax the largest header list; the fields beyond it are counted and dropped
   * @param traffic where HTTP alone is served, calls of gRPC are requests like others, and nobody knows their paths
   */
  constructor(methods: MethodTable, listBytesMax: number, traffic: Traffic) {
    this.#methods = methods;
    this.#traffic = traffic;
    this.#listBytesMax = listBytesMax;
  }

  /** Forgets the previous block. */
  begin(): void {
    this.#seen = 0;
    this.#regularSeen = false;
    this.#malformed = false;
    this.#listBytes = 0;
    this.#httpMethod = "";
    this.#path = "";
    this.#contentType = "";
    this.#contentLength = "";
    this.#timeout = "";
    this.#encoding = "identity";
    this.#clientApiVersion = null;
    this.#hasLeader = false;
    this.#token = null;
    this.#authorization = null;
    this.#fields.length = 0;
  }

  onField(field: HeaderField): void {
    this.#listBytes += field.size;
    if (this.#listBytes > this.#listBytesMax) return;
    this.#fields.push(field);
    const { kind } = field;
    const bit = 1 << kind;
    if (kind === BAD_NAME || kind === CONNECTION_SPECIFIC || kind === STATUS || !field.valueValid) {
      this.#malformed = true;
      return;
    }
    if ((bit & PSEUDO) === 0) this.#regularSeen = true;
    else if (this.#regularSeen || (this.#seen & bit) !== 0) this.#malformed = true;
    this.#seen |= bit;
    const { value } = field;
    switch (kind) {
      case METHOD:
        this.#httpMethod = value;
        break;
      case PATH:
        this.#path = value;
        break;
      case CONTENT_TYPE:
        this.#contentType = value;
        break;
      case CONTENT_LENGTH:
        // The field may be repeated with one value (RFC 9110, section 8.6).
        if (!/^[0-9]{1,15}$/.test(value) || (this.#contentLength !== "" && this.#contentLength !== value)) {
          this.#malformed = true;
        }
        this.#contentLength = value;
        break;
      case TE:
        if (value !== "trailers") this.#malformed = true;
        break;
      case GRPC_TIMEOUT:
        this.#timeout = value;
        break;
      case GRPC_ENCODING:
        this.#encoding = value;
        break;
      case CLIENT_API_VERSION:
        this.#clientApiVersion = value;
        break;
      case HAS_LEADER:
        this.#hasLeader = value === "true";
        break;
      case TOKEN:
        this.#token ??= value;
        break;
      case AUTHORIZATION:
        this.#authorization ??= value;
        break;
      default:
    }
  }

  /** True when the block is a legal trailer section. */
  trailersValid(): boolean {
    return !this.#malformed && (this.#seen & PSEUDO) === 0;
  }

  /** The head that the block's fields make. */
  finish(): RequestHead {
    const malformed = this.#malformed || (this.#seen & REQUIRED) !== REQUIRED || this.#path === "";
    const head = {
      malformed,
      refusal: null,
      method: null,
      metadata: {
        clientApiVersion: this.#clientApiVersion,
        hasLeader: this.#hasLeader,
        token: this.#token ?? this.#authorization,
      },
      timeoutMs: -1,
      encoding: this.#encoding,
      contentLength: this.#contentLength === "" ? -1 : Number(this.#contentLength),
      plainFields: null,
    };
    if (this.#listBytes > this.#listBytesMax) {
      const text = `grpc: header list larger than max (${this.#listBytes} vs. ${this.#listBytesMax})`;
      return { ...head, malformed: false, refusal: refusal(431, RESOURCE_EXHAUSTED, text) };
    }
    if (malformed) return head;
    if (this.#traffic === "http") return { ...head, plainFields: [...this.#fields] };
    const method = this.#methods.find(this.#path);
    if (!isGrpc(this.#contentType)) {
      if (method === null && this.#traffic !== "grpc") return { ...head, plainFields: [...this.#fields] };
      const text = `invalid gRPC request content-type "${this.#contentType}"`;
      return { ...head, refusal: refusal(415, INVALID_ARGUMENT, text) };
    }
    if (this.#httpMethod !== "POST") {
      const text = `Received a HEADERS frame with :method "${this.#httpMethod}" which should be POST`;
      return { ...head, refusal: refusal(405, INTERNAL, text) };
    }
    if (method === null) {
      return { ...head, refusal: { httpStatus: 200, status: this.#methods.unknown(this.#path) } };
    }
    if (this.#timeout === "") return { ...head, method };
    const timeoutMs = parseGrpcTimeout(this.#timeout);
    if (timeoutMs < 0)
      return { ...head, refusal: refusal(400, INTERNAL, `malformed grpc-timeout: "${this.#timeout}"`) };
    return { ...head, method, timeoutMs };
  }
}

function refusal(httpStatus: number, code: number, message: string): Refusal {
  return { httpStatus, status: { code, message } };
}

/** `application/grpc`, also with a subtype suffix or parameters. */
function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith("application/grpc")) return false;
  const next = contentType["application/grpc".length];
  return next === undefined || next === "+" || next === ";";
}
