/**
 * KV.RangeStream: the answer of a Range as many messages over one snapshot (contract RS-01 to RS-09). It is produced in
 * slices as the client takes it, so that a long list costs neither a long turn of the event loop nor a long queue.
 *
 * One that is sorted has looked at all its keys before the first message, and keeps what it found until the client has
 * taken it. Therefore few are open at a time.
 */
import { decodeRangeRequest } from "../../../proto/requests.ts";
import { rangeStreamResponseParts, writeRangeStreamResponse } from "../../../proto/responses.ts";
import type { RangeRequest, RangeResponse, ResponseHeader } from "../../../proto/messages.ts";
import { SORT_NONE } from "../../../proto/messages.ts";
import { Writer } from "../../../proto/writer.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { KvList } from "../../../partitions/range/kv-list.ts";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { hasFilter } from "../../../partitions/range/range-filter.ts";
import { isSorted } from "../../../partitions/range/range-order.ts";
import { isInOrder } from "../../../partitions/range/range.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import {
  COPIED_RESPONSE_BYTES,
  RANGE_STREAM_CHUNK_BYTES,
  RANGE_STREAM_CHUNK_KEYS,
  RANGE_STREAM_FIRST_KEYS,
  SORTED_STREAMS_MAX,
} from "../../limits.ts";
import type { Turns } from "../../clock.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { ServerStreamMethod, Status, StreamCall, StreamListener } from "../../transport/service.ts";
import { OK } from "../../../proto/grpc-codes.ts";
import { checkRange } from "./checks.ts";
import type { Callers } from "../callers.ts";
import type { Headers } from "../header.ts";
import { LateStream } from "../late-stream.ts";
import { ended, serverStreamMethod } from "../method.ts";
import type { ReadGate } from "../../engine/read-gate.ts";
import { TOO_MANY_REQUESTS } from "../../engine/refusals.ts";
import { STREAM_WITH_FILTER, STREAM_WITH_SORT } from "../statuses.ts";

export interface RangeStreamContext {
  readonly keyspace: Keyspace;
  readonly headers: Headers;
  readonly turns: Turns;
  readonly callers: Callers;
  readonly counters: Counters;
  readonly reads: ReadGate;
}

export function rangeStreamMethod(context: RangeStreamContext): ServerStreamMethod {
  const writer = new Writer();
  let sortedOpen = 0;
  const open = (call: StreamCall, request: RangeRequest): StreamListener => {
    const refused = context.callers.refuseRange(call, request.key, request.rangeEnd);
    if (refused !== null) return ended(call, refused);
    const cursor = context.keyspace.openRange(request);
    if (cursor instanceof Refusal) return ended(call, cursor);
    const places = isInOrder(request) ? 0 : 1;
    if (places > 0 && sortedOpen === SORTED_STREAMS_MAX) return ended(call, TOO_MANY_REQUESTS);
    sortedOpen += places;
    context.counters.ranges++;
    const header = context.headers.at(cursor.headerRevision);
    const refuseNow = context.callers.beginRead();
    const openList = (): KvList => context.keyspace.openKvList(request.keysOnly);
    const onClosed = (): void => void (sortedOpen -= places);
    // One that is sorted looks at so many keys in a turn before the first message.
    const firstKeys = places === 0 ? RANGE_STREAM_FIRST_KEYS : RANGE_STREAM_CHUNK_KEYS;
    return new RangeStream(call, cursor, header, refuseNow, context.turns, writer, openList, onClosed, firstKeys);
  };
  return serverStreamMethod("/etcdserverpb.KV/RangeStream", decodeRangeRequest, (call, request) => {
    const refused = checkRangeStream(request);
    if (refused !== null) return ended(call, refused);
    const { reads } = context;
    if (request.serializable || reads.isOpen) return open(call, request);
    const late = new LateStream();
    reads.whenOpen((refusal) => (refusal === null ? late.begin(() => open(call, request)) : call.end(refusal)));
    return late;
  });
}

/**
 * RS-06: what needs the whole set before its first key is not streamed. A target without an order is: etcd takes that for
 * the order of the keys here, and sorts each of its pieces all the same.
 */
function checkRangeStream(request: RangeRequest): Status | null {
  const refused = checkRange(request);
  if (refused !== null) return refused;
  if (isSorted(request) && request.sortOrder !== SORT_NONE) return STREAM_WITH_SORT;
  return hasFilter(request) ? STREAM_WITH_FILTER : null;
}

/** What is told of the whole while it is not complete. */
const NOT_LAST = { header: null, more: false, count: 0 } as const;

class RangeStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #cursor: RangeCursor;
  readonly #header: ResponseHeader;
  readonly #refuseNow: () => Refusal | null;
  readonly #turns: Turns;
  /** Shared by all streams: it holds nothing between two messages. */
  readonly #writer: Writer;
  readonly #onClosed: () => void;
  #scheduled = false;
  /** As many in a message as in etcd's, up to a bound: who gets several of etcd gets several here. */
  #chunkKeys: number;
  readonly #openList: () => KvList;
  /** What was read last: whether it is the last shows when the next is there, or the count behind it. */
  #ahead: KvList | null = null;

  constructor(
    call: StreamCall,
    cursor: RangeCursor,
    header: ResponseHeader,
    refuseNow: () => Refusal | null,
    turns: Turns,
    writer: Writer,
    openList: () => KvList,
    onClosed: () => void,
    firstKeys: number,
  ) {
    this.#call = call;
    this.#cursor = cursor;
    this.#header = header;
    this.#refuseNow = refuseNow;
    this.#turns = turns;
    this.#writer = writer;
    this.#openList = openList;
    this.#onClosed = onClosed;
    this.#chunkKeys = firstKeys;
    cursor.hold.keepBytes();
    this.#sendLater();
  }

  onMessage(): void {}

  onHalfClose(): void {}

  onDrain(): void {
    this.#sendLater();
  }

  onClose(): void {
    this.#takeAhead()?.release();
    this.#cursor.hold.release();
    this.#onClosed();
  }

  /** At most one message a turn of the event loop. */
  #sendLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turns.later(() => {
      this.#scheduled = false;
      this.#sendNext();
    });
  }

  #sendNext(): void {
    // `onDrain` comes when it is writable again.
    if (this.#call.closed || !this.#call.writable) return;
    const refs = this.#refuseNow() ?? this.#cursor.next(this.#chunkKeys, RANGE_STREAM_CHUNK_BYTES);
    if (refs instanceof Refusal) return this.#call.end(refs);
    if (refs.length > 0) {
      this.#chunkKeys = Math.min(this.#chunkKeys * 2, RANGE_STREAM_CHUNK_KEYS);
      const kvs = this.#takeAhead();
      this.#ahead = this.#openList();
      this.#ahead.add(refs);
      if (kvs !== null) this.#send(kvs, NOT_LAST);
    }
    if (!this.#cursor.finished) return this.#sendLater();
    const { more, count } = this.#cursor;
    // RS-03: header, more and count come with the last message only, which is that of the last keys.
    this.#send(this.#takeAhead() ?? this.#openList(), { header: this.#header, more, count });
    this.#call.end({ code: OK, message: "" });
  }

  #takeAhead(): KvList | null {
    const kvs = this.#ahead;
    this.#ahead = null;
    return kvs;
  }

  #send(kvs: KvList, told: Pick<RangeResponse, "header" | "more" | "count">): void {
    if (kvs.length > COPIED_RESPONSE_BYTES) {
      const { parts, length } = rangeStreamResponseParts({ ...told, kvs });
      this.#call.sendParts(parts, length, () => kvs.release());
    } else {
      this.#writer.reset();
      writeRangeStreamResponse(this.#writer, { ...told, kvs });
      this.#call.send(this.#writer.bytes());
      kvs.release();
    }
  }
}
