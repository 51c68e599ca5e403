/** One connection to the store under test. Every call that is made on it stands in the history. */
import { decodeKeyValue } from "../../../proto/encoded-kv.ts";
import type {
  Compare,
  EncodedKv,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest as WireTxn,
} from "../../../proto/messages.ts";
import { TARGET_MOD, TARGET_VERSION, UNION_MOD, UNION_VERSION } from "../../../proto/messages.ts";
import type { EtcdClient, MessageStream } from "../../support/etcd-client.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../../proto/rare.ts";
import { compare, del, deleteRequest, put, putRequest, range, rangeRequest } from "../../../bench/client/requests.ts";
import type {
  Answer,
  Call,
  Kv,
  OpAnswer,
  OpRequest,
  Outcome,
  PutRequest,
  RangeAnswer,
  RangeRequest,
} from "../history/history.ts";
import type { Comparison, Request, TxnRequest } from "../history/history.ts";
import type { Recorder } from "./recorder.ts";
import { longValue } from "./values.ts";

/** Codes that say for certain that a request did nothing. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 8, 9, 11]);

export class RecordedClient {
  readonly name: string;
  readonly run: number;
  readonly etcd: EtcdClient;
  readonly recorder: Recorder;
  /** True once the connection or the server is gone, or has behaved so. */
  lost = false;
  #keepAlive: MessageStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> | null = null;

  constructor(name: string, run: number, etcd: EtcdClient, recorder: Recorder) {
    this.name = name;
    this.run = run;
    this.etcd = etcd;
    this.recorder = recorder;
    void etcd.lean.closed.then(() => (this.lost = true));
  }

  /** Makes a call and writes down what came of it. */
  async call(request: Request): Promise<Outcome> {
    const { recorder } = this;
    const invokedMs = recorder.nowMs();
    const invokedAt = recorder.tick();
    const outcome = await this.#send(request).catch(outcomeOf);
    const respondedAt = recorder.tick();
    const call: Call = {
      client: this.name,
      run: this.run,
      invokedAt,
      invokedMs,
      respondedAt,
      respondedMs: recorder.nowMs(),
      request,
      outcome,
    };
    recorder.addCall(call);
    if (outcome.kind === "unknown") this.lost = true;
    return outcome;
  }

  /** The answer, or null when there is none. */
  async answer<Kind extends Request["kind"]>(
    request: Request & { readonly kind: Kind },
  ): Promise<(Answer & { readonly kind: Kind }) | null> {
    const outcome = await this.call(request);
    // The kind of an answer is that of the request.
    return outcome.kind === "answered" ? (outcome.answer as Answer & { readonly kind: Kind }) : null;
  }

  close(): void {
    this.lost = true;
    this.etcd.lean.destroy();
  }

  async #send(request: Request): Promise<Outcome> {
    const { etcd } = this;
    switch (request.kind) {
      case "range":
        return this.#range(request);
      case "put": {
        const { header, prevKv } = await etcd.put(wirePut(request));
        return answered(header, { kind: "put", prevKv: prevKv === null ? null : this.#kv(prevKv) });
      }
      case "delete": {
        const response = await etcd.deleteRange(deleteRequest(request.key, request.end, request.prevKv));
        const { header, deleted, prevKvs } = response;
        return answered(header, { kind: "delete", deleted, prevKvs: this.#kvs(prevKvs) });
      }
      case "txn": {
        const { header, succeeded, responses } = await etcd.txn(wireTxn(request));
        return answered(header, { kind: "txn", succeeded, responses: responses.map((op) => this.#op(op)) });
      }
      case "compact": {
        const { header } = await etcd.compact({ revision: request.revision, physical: request.physical });
        return answered(header, { kind: "compact" });
      }
      case "grant": {
        const { header, TTL } = await etcd.leaseGrant({ ID: BigInt(request.lease), TTL: request.ttl });
        return answered(header, { kind: "grant", ttl: TTL });
      }
      case "revoke": {
        const { header } = await etcd.leaseRevoke(BigInt(request.lease));
        return answered(header, { kind: "revoke" });
      }
      case "keepAlive": {
        this.#keepAlive ??= etcd.keepAlive();
        this.#keepAlive.send({ ID: BigInt(request.lease) });
        const { header, TTL } = await this.#keepAlive.next();
        return answered(header, { kind: "keepAlive", ttl: TTL });
      }
      case "timeToLive": {
        const { header, TTL, keys } = await etcd.leaseTimeToLive(BigInt(request.lease), true);
        const sorted = keys.map((key) => key.toString("latin1")).toSorted();
        return answered(header, { kind: "timeToLive", ttl: TTL, keys: sorted });
      }
      case "leases": {
        const { header, leases } = await etcd.leaseLeases();
        return answered(header, { kind: "leases", ids: leases.map(({ ID }) => ID.toString()) });
      }
    }
  }

  async #range(request: RangeRequest): Promise<Outcome> {
    const wire = wireRange(request);
    if (!request.streamed) {
      const response = await this.etcd.range(wire);
      return answered(response.header, this.#rangeAnswer(response));
    }
    const messages = await this.etcd.rangeStream(wire);
    const { header, more, count } = messages[messages.length - 1];
    const kvs = messages.flatMap((message) => message.kvs);
    return answered(header, this.#rangeAnswer({ kvs, more, count }));
  }

  #op(op: ResponseOp): OpAnswer {
    switch (op.case) {
      case "range":
        return this.#rangeAnswer(op.response);
      case "put":
        return { kind: "put", prevKv: op.response.prevKv === null ? null : this.#kv(op.response.prevKv) };
      case "deleteRange":
        return { kind: "delete", deleted: op.response.deleted, prevKvs: this.#kvs(op.response.prevKvs) };
      default:
        throw new Error("an operation is answered by its like");
    }
  }

  #rangeAnswer({ kvs, more, count }: { kvs: readonly EncodedKv[]; more: boolean; count: number }): RangeAnswer {
    return { kind: "range", kvs: this.#kvs(kvs), more, count };
  }

  #kv(record: EncodedKv): Kv {
    return this.recorder.kv(decodeKeyValue(record));
  }

  #kvs(records: readonly EncodedKv[]): Kv[] {
    return records.map((record) => this.#kv(record));
  }
}

function answered(header: ResponseHeader | null, answer: Answer): Outcome {
  if (header === null) throw new Error("every response has a header");
  return { kind: "answered", revision: header.revision, answer };
}

/** @throws the error itself when it is neither a status nor the end of a stream: then the test or the server is wrong */
function outcomeOf(error: unknown): Outcome {
  const { code, message } = error as { code?: number | string; message: string };
  if (typeof code === "number") return REFUSALS.has(code) ? { kind: "refused", code, message } : { kind: "unknown" };
  if (message.startsWith("the stream ended")) return { kind: "unknown" };
  throw error;
}

/** How long a value is on the wire stands in its short form: see values.ts. */
function wirePut({ key, value, lease, prevKv }: PutRequest): ReturnType<typeof putRequest> {
  const slash = value.indexOf("/");
  const { wire } = longValue(value.slice(0, slash), Number(value.slice(slash + 1)));
  return putRequest(key, wire, { lease: BigInt(lease), prevKv });
}

function wireRange({ key, end, revision, limit }: RangeRequest): ReturnType<typeof rangeRequest> {
  return rangeRequest(key, { rangeEnd: Buffer.from(end, "latin1"), revision, limit });
}

function wireTxn({ compare: comparisons, success, failure }: TxnRequest): WireTxn {
  return { compare: comparisons.map(wireCompare), success: success.map(wireOp), failure: failure.map(wireOp) };
}

function wireCompare({ key, target, equals }: Comparison): Compare {
  return target === "mod"
    ? compare(key, { target: TARGET_MOD, union: UNION_MOD, number: equals })
    : compare(key, { target: TARGET_VERSION, union: UNION_VERSION, number: equals });
}

function wireOp(op: OpRequest): RequestOp {
  switch (op.kind) {
    case "range":
      return range(op.key, wireRange(op));
    case "put":
      return put(op.key, "", wirePut(op));
    case "delete":
      return del(op.key, op.end, op.prevKv);
  }
}
