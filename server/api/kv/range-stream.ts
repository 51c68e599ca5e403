/**
 * KV.RangeStream: the answer of a Range as many messages over one snapshot (contract RS-01 to RS-09). It is produced in
 * slices as the client takes it, so that a long list costs neither a long turn of the event loop nor a long queue.
 */
import { decodeRangeRequest } from "../../../proto/requests.ts";
import { rangeStreamResponseParts, writeRangeStreamResponse } from "../../../proto/responses.ts";
import type { EncodedKv, RangeRequest, ResponseHeader } from "../../../proto/messages.ts";
import { SORT_NONE } from "../../../proto/messages.ts";
import { Writer } from "../../../proto/writer.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { isSorted } from "../../../partitions/range/range-order.ts";
import { hasFilter } from "../../../partitions/range/range-filter.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { COPIED_RESPONSE_BYTES, RANGE_STREAM_CHUNK_BYTES, RANGE_STREAM_CHUNK_KEYS } from "../../limits.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { ServerStreamMethod, Status, StreamCall, StreamListener } from "../../transport/service.ts";
import { OK } from "../../../proto/grpc-codes.ts";
import { checkRange } from "./checks.ts";
import type { Callers } from "../callers.ts";
import type { Headers } from "../header.ts";
import { ended, serverStreamMethod } from "../method.ts";
import { STREAM_WITH_FILTER, STREAM_WITH_SORT } from "../statuses.ts";

export interface RangeStreamContext {
  readonly keyspace: Keyspace;
  readonly headers: Headers;
  readonly callers: Callers;
  readonly counters: Counters;
}

export function rangeStreamMethod(context: RangeStreamContext): ServerStreamMethod {
  const writer = new Writer();
  return serverStreamMethod("/etcdserverpb.KV/RangeStream", decodeRangeRequest, (call, request) => {
    const refused = checkRangeStream(request) ?? context.callers.refuseRange(call, request.key, request.rangeEnd);
    if (refused !== null) return ended(call, refused);
    const cursor = context.keyspace.openRange(request);
    if (cursor instanceof Refusal) return ended(call, cursor);
    context.counters.ranges++;
    return new RangeStream(
      call,
      cursor,
      context.headers.at(cursor.headerRevision),
      context.callers.beginRead(),
      writer,
    );
  });
}

/**
 * RS-06: what needs the whole set before its first key cannot be streamed. etcd does not see that this holds for a target
 * without an order, too, and loses keys then. Here it is refused as other sorted ranges are.
 */
function checkRangeStream(request: RangeRequest): Status | null {
  const refused = checkRange(request);
  if (refused !== null) return refused;
  if (isSorted(request) && request.sortOrder !== SORT_NONE) return STREAM_WITH_SORT;
  if (hasFilter(request)) return STREAM_WITH_FILTER;
  return isSorted(request) ? STREAM_WITH_SORT : null;
}

class RangeStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #cursor: RangeCursor;
  readonly #header: ResponseHeader;
  readonly #refuseNow: () => Refusal | null;
  /** Shared by all streams: it holds nothing between two messages. */
  readonly #writer: Writer;
  #scheduled = false;

  constructor(
    call: StreamCall,
    cursor: RangeCursor,
    header: ResponseHeader,
    refuseNow: () => Refusal | null,
    writer: Writer,
  ) {
    this.#call = call;
    this.#cursor = cursor;
    this.#header = header;
    this.#refuseNow = refuseNow;
    this.#writer = writer;
    this.#sendLater();
  }

  onMessage(): void {}

  onHalfClose(): void {}

  onDrain(): void {
    this.#sendLater();
  }

  onClose(): void {}

  /** One message a turn of the event loop. */
  #sendLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendNext();
    });
  }

  #sendNext(): void {
    // `onDrain` comes when it is writable again.
    if (this.#call.closed || !this.#call.writable) return;
    const kvs = this.#refuseNow() ?? this.#cursor.next(RANGE_STREAM_CHUNK_KEYS, RANGE_STREAM_CHUNK_BYTES);
    if (kvs instanceof Refusal) return this.#call.end(kvs);
    const { finished } = this.#cursor;
    this.#send(kvs, finished);
    if (finished) this.#call.end({ code: OK, message: "" });
    else this.#sendLater();
  }

  /** RS-03: header, more and count come with the last message only. */
  #send(kvs: EncodedKv[], isLast: boolean): void {
    const { more, count } = this.#cursor;
    const response = isLast ? { header: this.#header, kvs, more, count } : { header: null, kvs, more: false, count: 0 };
    let bytes = 0;
    for (const encoded of kvs) bytes += encoded.length;
    if (bytes > COPIED_RESPONSE_BYTES) {
      const { parts, length } = rangeStreamResponseParts(response);
      this.#call.sendParts(parts, length);
    } else {
      this.#writer.reset();
      writeRangeStreamResponse(this.#writer, response);
      this.#call.send(this.#writer.bytes());
    }
  }
}
