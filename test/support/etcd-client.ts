/** A typed etcd client for tests: every call as a promise, every watch as a queue of decoded responses. */
import assert from "node:assert/strict";
import { LeanClient } from "../../bench/lean-client.ts";
import type { LeanClientOptions, LeanStream } from "../../bench/lean-client.ts";
import { decodeEvent } from "../../proto/event-record.ts";
import { decodeKeyValue } from "../../proto/key-record.ts";
import type { MessageType } from "../../proto/message-type.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  KeyRecord,
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
        resolve({ code, message });
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

  /** The next message, whether it is here already or still to come. */
  async next(): Promise<Response> {
    while (this.#received.length === 0) await this.#change();
    return this.#received.shift() as Response;
  }

  #change(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("no message came")), RESPONSE_MILLISECONDS_MAX);
    this.#wake = () => {
      clearTimeout(timer);
      this.#wake = null;
      resolve();
    };
    void this.ended.then(({ code, message }) => reject(new Error(`the stream ended with ${code}: ${message}`)));
    return promise;
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
}

function encodeWatchRequest(request: WatchRequest): Uint8Array {
  const writer = new Writer();
  writeWatchRequest(writer, request);
  return writer.copy();
}

/** The key-values of a list of records. */
export function keyValues(records: readonly KeyRecord[]): KeyValue[] {
  return records.map((record) => decodeKeyValue(record));
}

export function eventsOf(response: WatchResponse): Event[] {
  return response.events.map((record) => decodeEvent(record));
}
