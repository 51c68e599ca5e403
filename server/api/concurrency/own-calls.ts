/**
 * The server as a client of itself: what a lock or an election does to keys it asks of the services beside it, on behalf of
 * the call that wants it. So who may do what, limits and alarms are looked at in one place, as for any other client.
 */
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from "../../../proto/messages.ts";
import { leaseGrantRequest, leaseGrantResponse } from "../../../proto/rare.ts";
import {
  writeDeleteRangeRequest,
  writeRangeRequest,
  writeTxnRequest,
  writeWatchRequest,
} from "../../../proto/request-writers.ts";
import {
  decodeDeleteRangeResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  decodeWatchResponse,
} from "../../../proto/response-readers.ts";
import { Writer } from "../../../proto/writer.ts";
import { COMPACTED, Refusal } from "../../../partitions/refusals.ts";
import { FAILED_PRECONDITION } from "../../../proto/grpc-codes.ts";
import type {
  BidiMethod,
  CallMetadata,
  MessageParts,
  Method,
  Status,
  StreamCall,
  StreamListener,
  UnaryCall,
  UnaryMethod,
} from "../../transport/service.ts";
import { wholeOf } from "../whole-message.ts";

/** The services that a client's call is asked of. */
export class OwnServices {
  readonly grant: UnaryMethod;
  readonly range: UnaryMethod;
  readonly deleteRange: UnaryMethod;
  readonly txn: UnaryMethod;
  readonly watch: BidiMethod;

  /** @param methods all that are served */
  constructor(methods: readonly Method[]) {
    const byPath = new Map(methods.map((method) => [method.path, method]));
    const unary = (path: string): UnaryMethod => {
      const method = byPath.get(path);
      if (method?.kind !== "unary") throw new Error(`${path} is not served`);
      return method;
    };
    this.grant = unary("/etcdserverpb.Lease/LeaseGrant");
    this.range = unary("/etcdserverpb.KV/Range");
    this.deleteRange = unary("/etcdserverpb.KV/DeleteRange");
    this.txn = unary("/etcdserverpb.KV/Txn");
    const watch = byPath.get("/etcdserverpb.Watch/Watch");
    if (watch?.kind !== "bidi") throw new Error("Watch is not served");
    this.watch = watch;
  }
}

/** Whose calls they are. */
export interface Origin {
  readonly metadata: CallMetadata;
  readonly connection?: unknown;
  /** The user that the client's certificate makes it, if any. */
  readonly certifiedUser?: string | null;
}

export interface OwnWatchListener {
  /** A response of a watch that goes on. */
  onResponse(response: WatchResponse): void;
  /** It will hear nothing more. Not called when it was stopped. */
  onEnd(status: Status): void;
  /** Whether it takes more at present; when it does again, `onDrain` of the watch is to be called. */
  readonly isWritable: boolean;
}

export interface OwnWatch {
  onDrain(): void;
  stop(): void;
}

export class OwnCalls {
  readonly #services: OwnServices;
  readonly #origin: Origin;

  constructor(services: OwnServices, { metadata, connection, certifiedUser }: Origin) {
    this.#services = services;
    // What the client asked to be there has been looked at when its own call came.
    this.#origin = { metadata: { ...metadata, hasLeader: false }, connection, certifiedUser: certifiedUser ?? null };
  }

  /** Gives the id of a new lease. */
  async grant(ttlSeconds: number): Promise<bigint | Refusal> {
    const answer = await this.#call(this.#services.grant, leaseGrantRequest.encode({ ID: 0n, TTL: ttlSeconds }));
    return answer instanceof Refusal ? answer : leaseGrantResponse.decode(answer).ID;
  }

  async range(request: RangeRequest): Promise<RangeResponse | Refusal> {
    const answer = await this.#call(this.#services.range, written(writeRangeRequest, request));
    return answer instanceof Refusal ? answer : decodeRangeResponse(answer);
  }

  async deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResponse | Refusal> {
    const answer = await this.#call(this.#services.deleteRange, written(writeDeleteRangeRequest, request));
    return answer instanceof Refusal ? answer : decodeDeleteRangeResponse(answer);
  }

  async txn(request: TxnRequest): Promise<TxnResponse | Refusal> {
    const answer = await this.#call(this.#services.txn, written(writeTxnRequest, request));
    return answer instanceof Refusal ? answer : decodeTxnResponse(answer);
  }

  watch(request: WatchCreateRequest, listener: OwnWatchListener): OwnWatch {
    const call = new OwnStream(this.#origin, listener);
    const stream = this.#services.watch.open(call);
    call.listener = stream;
    if (call.closed) stream.onClose();
    else stream.onMessage(written(writeWatchRequest, { case: "create", request }));
    return { onDrain: () => stream.onDrain(), stop: () => call.close() };
  }

  #call(method: UnaryMethod, message: Buffer): Promise<Buffer | Refusal> {
    return new Promise((resolve) => method.handle(new OwnUnaryCall(this.#origin, resolve), message));
  }
}

class OwnUnaryCall implements UnaryCall {
  readonly metadata: CallMetadata;
  readonly connection: unknown;
  readonly certifiedUser: string | null;
  /** What was begun is ended, also when the client has gone: then something may have to be taken back. */
  readonly closed = false;
  readonly #resolve: (answer: Buffer | Refusal) => void;

  constructor({ metadata, connection, certifiedUser }: Origin, resolve: (answer: Buffer | Refusal) => void) {
    this.metadata = metadata;
    this.certifiedUser = certifiedUser ?? null;
    this.connection = connection;
    this.#resolve = resolve;
  }

  reply(message: Uint8Array): void {
    this.#resolve(Buffer.from(message));
  }

  replyParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    const message = wholeOf(parts, length);
    onTaken?.();
    this.#resolve(message);
  }

  fail({ code, message }: Status): void {
    this.#resolve(new Refusal(code, message));
  }
}

/** One watch on a stream of its own. */
class OwnStream implements StreamCall {
  readonly metadata: CallMetadata;
  readonly certifiedUser: string | null;
  readonly queuedBytes = 0;
  closed = false;
  listener: StreamListener | null = null;
  readonly #watch: OwnWatchListener;

  constructor({ metadata, certifiedUser }: Origin, watch: OwnWatchListener) {
    this.metadata = metadata;
    this.certifiedUser = certifiedUser ?? null;
    this.#watch = watch;
  }

  get writable(): boolean {
    return this.#watch.isWritable;
  }

  send(message: Uint8Array): void {
    if (!this.closed) this.#take(decodeWatchResponse(Buffer.from(message)));
  }

  sendParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    if (!this.closed) this.#take(decodeWatchResponse(wholeOf(parts, length)));
    onTaken?.();
  }

  end(status: Status): void {
    if (this.closed) return;
    this.close();
    this.#watch.onEnd(status);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.listener?.onClose();
  }

  #take(response: WatchResponse): void {
    if (response.canceled) this.end(cancelledWith(response));
    else this.#watch.onResponse(response);
  }
}

/** In the words of etcd's client. */
function cancelledWith({ compactRevision, cancelReason }: WatchResponse): Status {
  return compactRevision > 0 ? COMPACTED : { code: FAILED_PRECONDITION, message: cancelReason };
}

function written<Request>(write: (writer: Writer, request: Request) => void, request: Request): Buffer {
  const writer = new Writer();
  write(writer, request);
  return writer.bytes();
}
