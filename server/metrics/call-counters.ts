/**
 * Counts gRPC calls per method and status code for `grpc_server_started_total` and `grpc_server_handled_total`, and the
 * connections that were closed because of their clients.
 */
import type { CallObserver, Method } from "../transport/service.ts";
import { CODE_NAMES } from "../../proto/grpc-codes.ts";

const UNKNOWN_CODE = 2;

const TYPE_OF_KIND = {
  unary: "unary",
  waiting: "unary",
  "server-stream": "server_stream",
  bidi: "bidi_stream",
} as const;

/** The counts of one method. */
export class MethodCounts {
  /** `unary`, `server_stream` or `bidi_stream`. */
  readonly type: string;
  /** `etcdserverpb.KV`. */
  readonly service: string;
  /** `Range`. */
  readonly method: string;
  started: number;
  /** By status code. */
  readonly handled: Float64Array;

  constructor(type: string, service: string, method: string) {
    this.type = type;
    this.service = service;
    this.method = method;
    this.started = 0;
    this.handled = new Float64Array(CODE_NAMES.length);
  }
}

export class CallCounters implements CallObserver {
  connectionsClosed = 0;
  readonly #byMethod: Map<Method, MethodCounts>;
  /** Calls of paths that nobody serves. */
  readonly #unknown: MethodCounts;

  /** Every method given is exported from the start, with zeros: a rate needs a first sample. */
  constructor(methods: readonly Method[]) {
    this.#byMethod = new Map(methods.map((method) => [method, countsOf(method)]));
    this.#unknown = new MethodCounts("unary", "unknown", "unknown");
  }

  onStarted(method: Method | null): void {
    this.#counts(method).started += 1;
  }

  onHandled(method: Method | null, code: number): void {
    const handled = this.#counts(method).handled;
    handled[code >= 0 && code < handled.length ? code : UNKNOWN_CODE] += 1;
  }

  onConnectionClosed(): void {
    this.connectionsClosed++;
  }

  /** Every method's counts; unknown paths only once there was a call to one. */
  all(): MethodCounts[] {
    const known = [...this.#byMethod.values()];
    return this.#unknown.started === 0 ? known : [...known, this.#unknown];
  }

  #counts(method: Method | null): MethodCounts {
    return (method === null ? undefined : this.#byMethod.get(method)) ?? this.#unknown;
  }
}

function countsOf(method: Method): MethodCounts {
  const [, service, name] = method.path.split("/");
  return new MethodCounts(TYPE_OF_KIND[method.kind], service, name);
}
