/**
 * etcdserverpb.KV. Reads are answered from the applied state, mostly in the turn they arrive in: what was acknowledged has
 * been applied, so they are linearizable (OC-01) when nobody else can have acknowledged anything. Writes are checked, go through the proposer and are answered on commit.
 */
import { decodeRangeRequest, decodeTxnRequest } from "../../../proto/requests.ts";
import {
  deleteRangeResponseParts,
  madeRangeResponseParts,
  txnResponseParts,
  writeMadeRangeResponse,
  writeCompactionResponse,
  writeDeleteRangeResponse,
  writePutResponse,
  writeTxnResponse,
} from "../../../proto/responses.ts";
import type { MadeRangeResponse } from "../../../proto/responses.ts";
import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  TxnRequest,
  TxnResponse,
} from "../../../proto/messages.ts";
import { Writer } from "../../../proto/writer.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { FoundKv } from "../../../partitions/range/found-kv.ts";
import type { KvList } from "../../../partitions/range/kv-list.ts";
import { isWholeKey } from "../../../partitions/range/range.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { hasWrite, isReadOnly, isSerializable } from "../../../partitions/txn/txn.ts";
import type { Turns } from "../../clock.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { SpaceGuard } from "../../engine/space-guard.ts";
import { putCost, txnCost } from "../../engine/costs.ts";
import type { CommandKind } from "../../engine/command.ts";
import { keyPrefix } from "../../engine/event-log.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../engine/kv-commands.ts";
import type { PartitionGuard } from "../../engine/partition-guard.ts";
import type { Proposer } from "../../engine/proposer.ts";
import type { ReadGate } from "../../engine/read-gate.ts";
import { REQUEST_TOO_LARGE } from "../../engine/refusals.ts";
import type { Compactor } from "../../engine/compactor.ts";
import {
  BUILT_RESPONSE_BYTES_MAX,
  COPIED_RESPONSE_BYTES,
  RANGE_SLICE_KEYS,
  RECORD_KIND_BYTES,
  REQUEST_ENVELOPE_BYTES,
  TXN_TREE_OPS_FACTOR,
  TXN_COPIED_BYTES_MAX,
  TXN_LOOKS_MAX,
} from "../../limits.ts";
import type { Method, UnaryCall } from "../../transport/service.ts";
import { deleteRangeBytes, txnBytes } from "./answer-size.ts";
import type { Reply } from "../call-waiter.ts";
import { CallWaiter } from "../call-waiter.ts";
import type { Callers } from "../callers.ts";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "./checks.ts";
import type { Headers } from "../header.ts";
import { LongRanges } from "./long-range.ts";
import { LongTxns } from "./long-txn.ts";
import { commandMethod, readMethod } from "../method.ts";
import { pinKvs, pinTxn } from "./pinned-answer.ts";
import { rangeStreamMethod } from "./range-stream.ts";
import type { SlicedRange } from "./sliced-range.ts";
import type { SlowCalls } from "../slow-calls.ts";
import { ANSWER_TOO_LARGE, TOO_MANY_LOOKS, TOO_MUCH_COPIED } from "../statuses.ts";

export interface KvContext {
  readonly keyspace: Keyspace;
  readonly proposer: Proposer;
  readonly compactor: Compactor;
  readonly guard: SpaceGuard;
  readonly partitionGuard: PartitionGuard;
  readonly reads: ReadGate;
  readonly turns: Turns;
  readonly callers: Callers;
  readonly headers: Headers;
  readonly counters: Counters;
  readonly slowCalls: SlowCalls;
  /** --max-txn-ops */
  readonly txnOpsMax: number;
  /** --max-request-bytes */
  readonly requestBytesMax: number;
}

const RANGE_PATH = "/etcdserverpb.KV/Range";

export class KvService {
  readonly methods: readonly Method[];
  readonly #context: KvContext;
  readonly #longRanges: LongRanges;
  readonly #longTxns: LongTxns;
  readonly #writer = new Writer();

  constructor(context: KvContext) {
    this.#context = context;
    const { txnOpsMax } = context;
    this.#longRanges = new LongRanges(context.keyspace, context.turns);
    this.#longTxns = new LongTxns(context.keyspace, context.turns);
    this.methods = [
      readMethod(RANGE_PATH, decodeRangeRequest, (call, request) => this.#range(call, request)),
      rangeStreamMethod(context),
      commandMethod("/etcdserverpb.KV/Put", PUT, (call, request, record) => this.#put(call, request, record)),
      commandMethod("/etcdserverpb.KV/DeleteRange", DELETE_RANGE, (call, request, record) =>
        this.#deleteRange(call, request, record),
      ),
      commandMethod(
        "/etcdserverpb.KV/Txn",
        TXN,
        (call, request, record) => this.#txn(call, request, record),
        (message) => decodeTxnRequest(message, txnOpsMax, txnOpsMax * TXN_TREE_OPS_FACTOR),
      ),
      commandMethod("/etcdserverpb.KV/Compact", COMPACTION, (call, request, record) =>
        this.#compact(call, request, record),
      ),
    ];
  }

  #range(call: UnaryCall, request: RangeRequest): void {
    const refused = checkRange(request);
    if (refused !== null) return call.fail(refused);
    const { reads } = this.#context;
    if (request.serializable || reads.isOpen) return this.#readRange(call, request);
    const kept = ownRange(request);
    reads.whenOpen((refusal) => (refusal === null ? this.#readRange(call, kept) : call.fail(refusal)));
  }

  #readRange(call: UnaryCall, request: RangeRequest): void {
    const { keyspace, callers, slowCalls } = this.#context;
    const refused = callers.refuseRange(call, request.key, request.rangeEnd);
    if (refused !== null) return call.fail(refused);
    // The most frequent call: a key alone is not long, unless it was very many changes ago, and is answered without ceremony.
    const isKey = isWholeKey(request) && !keyspace.isFarBack(request, RANGE_SLICE_KEYS);
    if (isKey) return this.#replyKey(call, keyspace.rangeOfKey(request));
    const refuseNow = callers.beginRead();
    let onAnswered: (() => void) | null = null;
    const isLong = this.#longRanges.read(call, request, (response, revision) => {
      const refusedNow = refuseNow();
      if (refusedNow !== null && !(response instanceof Refusal)) response.kvs.release();
      this.#replyRange(call, refusedNow ?? response, revision);
      onAnswered?.();
    });
    if (isLong) onAnswered = slowCalls.begin(RANGE_PATH, keyPrefix(request.key));
  }

  #replyRange(call: UnaryCall, response: SlicedRange | Refusal, revision: number): void {
    if (response instanceof Refusal) return call.fail(response);
    const { counters, headers } = this.#context;
    counters.ranges++;
    const { kvs, more, count } = response;
    const made = { header: headers.at(revision), kvs, more, count };
    if (kvs.length > COPIED_RESPONSE_BYTES) return replyParts(call, made);
    writeMadeRangeResponse(this.#cleared(), made);
    kvs.release();
    call.reply(this.#writer.bytes());
  }

  #replyKey(call: UnaryCall, found: FoundKv | Refusal): void {
    if (found instanceof Refusal) return call.fail(found);
    const { counters, headers, keyspace } = this.#context;
    counters.ranges++;
    const made = { header: headers.at(keyspace.revision), kvs: found, more: false, count: found.count };
    if (found.length > COPIED_RESPONSE_BYTES) {
      const kvs = keyspace.openKvList(false);
      kvs.add([found.ref]);
      return replyParts(call, { ...made, kvs });
    }
    writeMadeRangeResponse(this.#cleared(), made);
    call.reply(this.#writer.bytes());
  }

  #put(call: UnaryCall, request: PutRequest, record: Buffer): void {
    const { guard, partitionGuard, keyspace } = this.#context;
    const copies = keyspace.copiesOfPut(request);
    const cost = putCost(request) + (copies?.bytes ?? 0);
    if (guard.refuseOverQuota(call, cost) || partitionGuard.refusePut(call, request, copies)) return;
    const refused = checkPut(request);
    if (refused !== null) return call.fail(refused);
    this.#propose(PUT, request, record, cost, call, this.#replyPut);
  }

  readonly #replyPut = (call: UnaryCall, response: PutResponse): void => {
    response.header = this.#context.headers.at(this.#context.keyspace.revision);
    writePutResponse(this.#cleared(), response);
    call.reply(this.#writer.bytes());
  };

  #deleteRange(call: UnaryCall, request: DeleteRangeRequest, record: Buffer): void {
    const refused = checkDeleteRange(request);
    if (refused !== null) return call.fail(refused);
    this.#propose(DELETE_RANGE, request, record, 0, call, this.#replyDeleteRange);
  }

  readonly #replyDeleteRange = (call: UnaryCall, response: DeleteRangeResponse): void => {
    const bytes = deleteRangeBytes(response);
    if (bytes > BUILT_RESPONSE_BYTES_MAX) return call.fail(ANSWER_TOO_LARGE);
    response.header = this.#context.headers.at(this.#context.keyspace.revision);
    if (bytes > COPIED_RESPONSE_BYTES) {
      const hold = this.#context.keyspace.openHold();
      pinKvs(hold, response.prevKvs);
      const { parts, length } = deleteRangeResponseParts(response);
      call.replyParts(parts, length, () => hold.release());
    } else {
      writeDeleteRangeResponse(this.#cleared(), response);
      call.reply(this.#writer.bytes());
    }
  };

  #txn(call: UnaryCall, request: TxnRequest, record: Buffer): void {
    const { guard, partitionGuard, txnOpsMax, keyspace } = this.#context;
    const copies = keyspace.copiesOfTxn(request);
    // What is never done is no reason for an alarm.
    if (copies !== null && copies.bytes > TXN_COPIED_BYTES_MAX) return call.fail(TOO_MUCH_COPIED);
    const cost = txnCost(request) + (copies?.bytes ?? 0);
    if (guard.refuseOverQuota(call, cost) || partitionGuard.refuseTxn(call, request, copies)) return;
    const refused = checkTxn(request, txnOpsMax);
    if (refused !== null) return call.fail(refused);
    if (!hasWrite(request)) return this.#confirmTxn(call, request, record);
    if (keyspace.looksOf(request) > TXN_LOOKS_MAX) return call.fail(TOO_MANY_LOOKS);
    this.#propose(TXN, request, record, cost, call, this.#replyTxn);
  }

  #confirmTxn(call: UnaryCall, request: TxnRequest, record: Buffer): void {
    const { reads } = this.#context;
    if (reads.isOpen || isSerializable(request)) return this.#readTxn(call, request, record);
    reads.whenOpen((refusal) => (refusal === null ? this.#readTxn(call, request, record) : call.fail(refusal)));
  }

  /**
   * TX-17: a txn of ranges is a read. So is one whose inner txns have no writes either; but to etcd that goes the way of
   * writes, and is refused what they are refused.
   */
  #readTxn(call: UnaryCall, request: TxnRequest, record: Buffer): void {
    const { callers, counters } = this.#context;
    const refused =
      callers.refuse(call, (authorization, identity) => authorization.refuseTxn(identity, request)) ??
      (isReadOnly(request) ? null : this.#refuseWrite(record, 0));
    if (refused !== null) return call.fail(refused);
    const refuseNow = callers.beginRead();
    this.#longTxns.read(call, request, (outcome, revision) => {
      const response = refuseNow() ?? outcome;
      if (response instanceof Refusal) return call.fail(response);
      TXN.count(counters, request, response);
      this.#replyTxnAt(call, response, revision);
    });
  }

  readonly #replyTxn = (call: UnaryCall, response: TxnResponse): void => {
    this.#replyTxnAt(call, response, this.#context.keyspace.revision);
  };

  #replyTxnAt(call: UnaryCall, response: TxnResponse, revision: number): void {
    const bytes = txnBytes(response);
    if (bytes > BUILT_RESPONSE_BYTES_MAX) return call.fail(ANSWER_TOO_LARGE);
    response.header = this.#context.headers.at(revision);
    if (bytes > COPIED_RESPONSE_BYTES) {
      const hold = this.#context.keyspace.openHold();
      pinTxn(hold, response);
      const { parts, length } = txnResponseParts(response);
      call.replyParts(parts, length, () => hold.release());
    } else {
      writeTxnResponse(this.#cleared(), response);
      call.reply(this.#writer.bytes());
    }
  }

  #compact(call: UnaryCall, request: CompactionRequest, record: Buffer): void {
    const refused = this.#context.callers.refuseAdmin(call);
    if (refused !== null) return call.fail(refused);
    const reply = request.physical ? this.#replyCompactPhysical : this.#replyCompact;
    this.#propose(COMPACTION, request, record, 0, call, reply);
  }

  readonly #replyCompact = (call: UnaryCall): void => {
    const header = this.#context.headers.at(this.#context.keyspace.revision);
    writeCompactionResponse(this.#cleared(), { header });
    call.reply(this.#writer.bytes());
  };

  readonly #replyCompactPhysical = (call: UnaryCall): void => {
    this.#context.compactor.whenRemoved(() => this.#replyCompact(call));
  };

  /** @param cost what the command may add to the keyspace, in bytes */
  #propose<Request, Response>(
    kind: CommandKind<Request, Response>,
    request: Request,
    record: Buffer,
    cost: number,
    call: UnaryCall,
    reply: Reply<Response>,
  ): void {
    const { callers, proposer } = this.#context;
    const identity = callers.identify(call);
    if (identity instanceof Refusal) return call.fail(identity);
    const refused =
      this.#refuseWrite(record, cost) ?? proposer.propose(kind, request, record, new CallWaiter(call, reply), identity);
    if (refused !== null) call.fail(refused);
  }

  /** A record may not grow beyond what etcd would put into its log, which is the request in an envelope (PT-08). */
  #refuseWrite(record: Buffer, cost: number): Refusal | null {
    const { guard, requestBytesMax } = this.#context;
    const isTooLarge = record.length - RECORD_KIND_BYTES + REQUEST_ENVELOPE_BYTES > requestBytesMax;
    return isTooLarge ? REQUEST_TOO_LARGE : guard.refuseByAlarm(cost);
  }

  #cleared(): Writer {
    this.#writer.reset();
    return this.#writer;
  }
}

/** Sends what is large from where it lies, and lets go of it then. */
function replyParts(call: UnaryCall, response: MadeRangeResponse & { readonly kvs: KvList }): void {
  const { parts, length } = madeRangeResponseParts(response);
  call.replyParts(parts, length, () => response.kvs.release());
}

/** With bytes of its own: it outlives the turn of the event loop in which it came. */
function ownRange(request: RangeRequest): RangeRequest {
  return { ...request, key: Buffer.from(request.key), rangeEnd: Buffer.from(request.rangeEnd) };
}
