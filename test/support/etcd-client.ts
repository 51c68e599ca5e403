/** A typed etcd client for tests: every call as a promise, every watch as a queue of decoded responses. */
import assert from "node:assert/strict";
import { LeanClient } from "../../bench/client/lean-client.ts";
import type { LeanClientOptions, LeanStream } from "../../bench/client/lean-client.ts";
import { decodeEvent } from "../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { MessageType } from "../../proto/message-type.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  EncodedKv,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../proto/messages.ts";
import { EVENT_PUT } from "../../proto/messages.ts";
import * as rare from "../../proto/rare.ts";
import {
  writeCompactionRequest,
  writeDeleteRangeRequest,
  writePutRequest,
  writeRangeRequest,
  writeTxnRequest,
  writeWatchRequest,
} from "../../proto/request-writers.ts";
import {
  decodeCompactionResponse,
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeRangeStreamResponse,
  decodeTxnResponse,
  decodeWatchResponse,
} from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";

/** A response that does not come for so long never will. */
const RESPONSE_MILLISECONDS_MAX = 15_000;

/** A request for progress that is not answered within that time was dropped. */
const PROGRESS_POLL_MILLISECONDS = 250;

export class EtcdClient {
  /** For calls that the methods below do not cover. */
  readonly lean: LeanClient;

  /** @throws GrpcError UNAVAILABLE when nobody listens there */
  static async connect(url: string, options: LeanClientOptions = {}): Promise<EtcdClient> {
    return new EtcdClient(await LeanClient.connect(url, options));
  }

  constructor(lean: LeanClient) {
    this.lean = lean;
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    return decodeRangeResponse(await this.#call("KV/Range", writeRangeRequest, request));
  }

  /** The messages of a RangeStream in order, the last one with header, more and count. */
  rangeStream(request: RangeRequest): Promise<RangeResponse[]> {
    const writer = new Writer();
    writeRangeRequest(writer, request);
    const messages: RangeResponse[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<RangeResponse[]>();
    const stream = this.lean.stream("/etcdserverpb.KV/RangeStream", {
      onMessage: (bytes) => {
        const message = decodeRangeStreamResponse(Buffer.from(bytes));
        assert(message !== null, "a RangeStream message holds a range response");
        messages.push(message);
      },
      onEnd: (status, text) => {
        if (status === 0) resolve(messages);
        else reject(Object.assign(new Error(text), { code: status }));
      },
    });
    stream.send(writer.bytes());
    stream.halfClose();
    return promise;
  }

  async put(request: PutRequest): Promise<PutResponse> {
    return decodePutResponse(await this.#call("KV/Put", writePutRequest, request));
  }

  async deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResponse> {
    return decodeDeleteRangeResponse(await this.#call("KV/DeleteRange", writeDeleteRangeRequest, request));
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    return decodeTxnResponse(await this.#call("KV/Txn", writeTxnRequest, request));
  }

  async compact(request: CompactionRequest): Promise<CompactionResponse> {
    return decodeCompactionResponse(await this.#call("KV/Compact", writeCompactionRequest, request));
  }

  leaseGrant(request: rare.LeaseGrantRequest): Promise<rare.LeaseGrantResponse> {
    return this.rare("Lease/LeaseGrant", rare.leaseGrantRequest, rare.leaseGrantResponse, request);
  }

  leaseRevoke(ID: bigint): Promise<rare.LeaseRevokeResponse> {
    return this.rare("Lease/LeaseRevoke", rare.leaseRevokeRequest, rare.leaseRevokeResponse, { ID });
  }

  leaseTimeToLive(ID: bigint, keys = false): Promise<rare.LeaseTimeToLiveResponse> {
    return this.rare("Lease/LeaseTimeToLive", rare.leaseTimeToLiveRequest, rare.leaseTimeToLiveResponse, { ID, keys });
  }

  leaseLeases(): Promise<rare.LeaseLeasesResponse> {
    return this.rare("Lease/LeaseLeases", rare.leaseLeasesRequest, rare.leaseLeasesResponse, {});
  }

  status(): Promise<rare.StatusResponse> {
    return this.rare("Maintenance/Status", rare.statusRequest, rare.statusResponse, {});
  }

  hashKv(revision: number): Promise<rare.HashKVResponse> {
    return this.rare("Maintenance/HashKV", rare.hashKVRequest, rare.hashKVResponse, { revision });
  }

  alarm(request: rare.AlarmRequest): Promise<rare.AlarmResponse> {
    return this.rare("Maintenance/Alarm", rare.alarmRequest, rare.alarmResponse, request);
  }

  /** A unary call of etcdserverpb whose messages are not hot. `name` is `Service/Method`. */
  async rare<Request, Response>(
    name: string,
    requestType: MessageType<Request>,
    responseType: MessageType<Response>,
    request: Request,
  ): Promise<Response> {
    return responseType.decode(await this.lean.call(`/etcdserverpb.${name}`, requestType.encode(request)));
  }

  keepAlive(): MessageStream<rare.LeaseKeepAliveRequest, rare.LeaseKeepAliveResponse> {
    return new MessageStream(
      this.lean,
      "/etcdserverpb.Lease/LeaseKeepAlive",
      rare.leaseKeepAliveRequest.encode,
      rare.leaseKeepAliveResponse.decode,
    );
  }

  watch(): WatchStream {
    return new WatchStream(this.lean);
  }

  async close(): Promise<void> {
    await this.lean.close();
  }

  async #call<Request>(
    name: string,
    write: (writer: Writer, request: Request) => void,
    request: Request,
  ): Promise<Buffer> {
    const writer = new Writer();
    write(writer, request);
    return this.lean.call(`/etcdserverpb.${name}`, writer.bytes());
  }
}

/** How a stream ended. */
export interface StreamEnd {
  readonly code: number;
  readonly message: string;
}

/** A bidirectional stream whose incoming messages wait in a queue until the test asks for them. */
export class MessageStream<Request, Response> {
  /** Resolves when the stream is over. */
  readonly ended: Promise<StreamEnd>;
  readonly stream: LeanStream;
  readonly #encode: (request: Request) => Uint8Array;
  readonly #received: Response[] = [];
  #end: StreamEnd | null = null;
  #wake: (() => void) | null = null;

  constructor(
    lean: LeanClient,
    path: string,
    encode: (request: Request) => Uint8Array,
    decode: (bytes: Buffer) => Response,
  ) {
    this.#encode = encode;
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.ended = promise;
    this.stream = lean.stream(path, {
      onMessage: (bytes) => {
        this.#received.push(decode(Buffer.from(bytes)));
        this.#wake?.();
      },
      onEnd: (code, message) => {
        this.#end = { code, message };
        resolve(this.#end);
        this.#wake?.();
      },
    });
  }

  send(request: Request): void {
    this.stream.send(this.#encode(request));
  }

  /** Messages that came and were not asked for yet. */
  get waiting(): number {
    return this.#received.length;
  }

  /** The next message, whether it is here already or still to come. Fails when the stream is over. */
  async next(): Promise<Response> {
    if (!(await this.arrives(RESPONSE_MILLISECONDS_MAX))) throw new Error("no message came");
    return this.#received.shift() as Response;
  }

  /** Whether a message is here, now or within that time. Fails when the stream is over. */
  async arrives(milliseconds: number): Promise<boolean> {
    if (this.#received.length === 0 && this.#end === null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
    if (this.#received.length > 0) return true;
    if (this.#end !== null) throw new Error(`the stream ended with ${this.#end.code}: ${this.#end.message}`);
    return false;
  }
}

export class WatchStream extends MessageStream<WatchRequest, WatchResponse> {
  constructor(lean: LeanClient) {
    super(lean, "/etcdserverpb.Watch/Watch", encodeWatchRequest, decodeWatchResponse);
  }

  /** Sends a create request and gives its `created` reply, which must be what comes next. */
  async create(request: WatchCreateRequest): Promise<WatchResponse> {
    this.send({ case: "create", request });
    const response = await this.next();
    assert(response.created, "the reply to a create comes first");
    return response;
  }

  cancel(watchId: number): void {
    this.send({ case: "cancel", watchId });
  }

  requestProgress(): void {
    this.send({ case: "progress" });
  }

  /** The next `count` events, over as many responses as they take. Nothing but events may come, and not more of them. */
  async nextEvents(count: number): Promise<Event[]> {
    const events: Event[] = [];
    while (events.length < count) {
      const response = await this.next();
      assert(response.events.length > 0 && !response.canceled, "only events come");
      events.push(...eventsOf(response));
    }
    assert.equal(events.length, count, "no more events than were waited for");
    return events;
  }

  /**
   * Asks for progress until it is told, as clients do: the server answers only when every watch of the stream has been
   * told everything. Nothing else may come meanwhile.
   */
  async progress(): Promise<WatchResponse> {
    do {
      this.requestProgress();
    } while (!(await this.arrives(PROGRESS_POLL_MILLISECONDS)));
    return this.next();
  }
}

function encodeWatchRequest(request: WatchRequest): Uint8Array {
  const writer = new Writer();
  writeWatchRequest(writer, request);
  return writer.copy();
}

/** The key-values of a list of records. */
export function keyValues(records: readonly EncodedKv[]): KeyValue[] {
  return records.map((record) => decodeKeyValue(record));
}

export function eventsOf(response: WatchResponse): Event[] {
  return response.events.map((record) => decodeEvent(record));
}

/** An event in short: `PUT key=value @modRevision`, `DELETE key @modRevision`. */
export function eventText({ type, kv }: Event): string {
  assert(kv !== null, "every event has a kv");
  const key = kv.key.toString("latin1");
  return type === EVENT_PUT
    ? `PUT ${key}=${kv.value.toString("latin1")} @${kv.modRevision}`
    : `DELETE ${key} @${kv.modRevision}`;
}
