/**
 * etcdserverpb.Watch: one `WatchStream` per gRPC stream, many watchers on it (contract §8).
 *
 * Everything a stream sends goes through the call's one queue, in order: created before events, events before a
 * progress that covers them. A slow reader costs a bounded queue: when it is full the keyspace keeps only each
 * watcher's next revision and delivers from history once the queue has drained.
 */
import { decodeWatchRequest } from "../../proto/requests.ts";
import { watchResponseParts, writeWatchResponse } from "../../proto/responses.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "../../proto/messages.ts";
import { Writer } from "../../proto/writer.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { NO_EVENTS } from "../../partitions/watch/event-list.ts";
import type { EventList } from "../../partitions/watch/event-list.ts";
import type { Watcher, WatcherSink } from "../../partitions/watch/watcher.ts";
import type { CatchUp } from "../engine/catch-up.ts";
import type { Leadership } from "../engine/leadership.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Clock, Timer, Turns } from "../clock.ts";
import { COPIED_RESPONSE_BYTES, SLICE_PROGRESS_WATCHES, WATCHES_PER_STREAM_MAX } from "../limits.ts";
import type { Method, Status, StreamCall, StreamListener } from "../transport/service.ts";
import { SMALLEST_KEY } from "../../partitions/interval/interval.ts";
import { CODE_NAMES } from "../../proto/grpc-codes.ts";
import type { Callers } from "./callers.ts";
import type { Headers } from "./header.ts";
import { EventFragments } from "./event-fragments.ts";
import { bidiMethod, decodeOnStream, UnreadReplies } from "./method.ts";
import { QueuedEvents } from "./queued-events.ts";

export interface WatchContext {
  readonly keyspace: Keyspace;
  readonly callers: Callers;
  readonly catchUp: CatchUp;
  readonly headers: Headers;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly counters: Counters;
  readonly leadership: Leadership;
  readonly reads: ReadGate;
  /** --watch-progress-notify-interval */
  readonly progressIntervalMs: number;
  /** `fragment=true` responses are split from this size on. */
  readonly fragmentBytes: number;
}

/** Texts of `cancel_reason`, as etcd has them (contract §10). */
const RANGE_EMPTY = "mvcc: watcher range is empty";
const DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream";
const NEGATIVE_START = "etcdserver: mvcc: required revision has been compacted";
/** These two etcd does not have: it takes as many watches as it is asked for, and any 64-bit id. */
const TOO_MANY_WATCHES = "etcdserver: too many watches on one stream";
const WATCH_ID_OUT_OF_RANGE = "etcdserver: watch id is out of range";

const INVALID_WATCH_ID = -1;

export class WatchService {
  readonly methods: readonly Method[];
  readonly #streams = new Set<WatchStream>();

  constructor(context: WatchContext) {
    const writer = new Writer();
    const fragments = new EventFragments(context.fragmentBytes);
    this.methods = [
      bidiMethod("/etcdserverpb.Watch/Watch", (call) => {
        const stream = new WatchStream(call, context, writer, fragments, () => this.#streams.delete(stream));
        this.#streams.add(stream);
        return stream;
      }),
    ];
  }

  /** Streams that are open now. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Events sent on them that their clients have not let through yet. */
  get pendingEvents(): number {
    let sum = 0;
    for (const stream of this.#streams) sum += stream.pendingEvents;
    return sum;
  }
}

/** One watch of the stream. */
interface Watch {
  readonly id: number;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** Null once compaction has ended the watch: the client still owes a cancel, and gets its reply (contract §8.3). */
  watcher: Watcher | null;
  /** Whether events were sent since the last tick of periodic progress (WP-02). */
  active: boolean;
}

class WatchStream implements StreamListener, WatcherSink {
  readonly #call: StreamCall;
  readonly #context: WatchContext;
  readonly #writer: Writer;
  readonly #fragments: EventFragments;
  readonly #onClosed: () => void;
  readonly #unread = new UnreadReplies();
  readonly #queued = new QueuedEvents();
  readonly #watches = new Map<number, Watch>();
  readonly #byWatcher = new Map<Watcher, Watch>();
  /**
   * Watchers that may not be current: all others are, and stay so until their sink is full. A request for progress
   * takes out those that have become current and ends at the first that has not, so each is looked at once.
   */
  readonly #lagging = new Set<Watcher>();
  /** Watchers that met a full queue and wait for it to drain. */
  #paused: Watcher[] = [];
  /**
   * Whether an answer to a request for progress waits until it is certain that nobody else writes; and whether it has been
   * overtaken by the reply to a later request, and so is not given.
   */
  #asking: "no" | "waits" | "overtaken" = "no";
  #nextId = 0;
  #ticker: Timer | null = null;

  constructor(
    call: StreamCall,
    context: WatchContext,
    writer: Writer,
    fragments: EventFragments,
    onClosed: () => void,
  ) {
    this.#call = call;
    this.#context = context;
    this.#writer = writer;
    this.#fragments = fragments;
    this.#onClosed = onClosed;
    if (call.metadata.hasLeader) context.leadership.require(call);
  }

  get pendingEvents(): number {
    return this.#queued.count(this.#call.queuedBytes);
  }

  onMessage(message: Buffer): void {
    if (!this.#unread.admit(this.#call)) return;
    const request: WatchRequest | null = decodeOnStream(this.#call, decodeWatchRequest, message);
    if (request === null) return;
    switch (request.case) {
      case "create":
        return this.#create(request.request);
      case "cancel":
        return this.#cancel(request.watchId);
      case "progress":
        return this.#progress();
      case "none":
        return; // WS-04: ignored, the stream lives.
    }
  }

  /** WS-05: watches stay active until the call ends. */
  onHalfClose(): void {}

  onDrain(): void {
    const paused = this.#paused;
    this.#paused = [];
    const { watchers } = this.#context.keyspace;
    for (const watcher of paused) if (this.#byWatcher.has(watcher)) watchers.resume(watcher);
    this.#context.catchUp.run();
  }

  onClose(): void {
    this.#context.leadership.release(this.#call);
    const { watchers } = this.#context.keyspace;
    for (const watcher of this.#byWatcher.keys()) watchers.remove(watcher);
    this.#byWatcher.clear();
    this.#lagging.clear();
    this.#watches.clear();
    this.#paused = [];
    this.#ticker?.cancel();
    this.#ticker = null;
    this.#onClosed();
  }

  deliver(watcher: Watcher, headerRevision: number, events: EventList): boolean {
    const watch = this.#byWatcher.get(watcher);
    if (watch === undefined) return true;
    watch.active = true;
    this.#context.counters.events += events.count;
    this.#sendEvents(watch, headerRevision, events);
    if (this.#call.writable) return true;
    this.#paused.push(watcher);
    this.#lagging.add(watcher);
    return false;
  }

  compacted(watcher: Watcher, compactRevision: number): void {
    const watch = this.#byWatcher.get(watcher);
    if (watch === undefined) return;
    this.#forget(watcher);
    watch.watcher = null;
    // WA-08: the header has no revision here, so that clients do not resume from it.
    this.#send({ ...this.#response(watch.id, 0), canceled: true, compactRevision });
  }

  #create(request: WatchCreateRequest): void {
    this.#overtake();
    const { keyspace, catchUp } = this.#context;
    const { revision } = keyspace;
    const key = Buffer.from(request.key.length === 0 ? SMALLEST_KEY : request.key);
    const rangeEnd = Buffer.from(request.rangeEnd);
    const refused = this.#refusal(request, key, rangeEnd);
    if (refused !== null) {
      const response = this.#response(INVALID_WATCH_ID, revision);
      this.#send({ ...response, created: true, canceled: true, cancelReason: refused });
      return;
    }
    const id = request.watchId === 0 ? this.#freeId() : request.watchId;
    this.#send({ ...this.#response(id, revision), created: true });
    const { startRevision, filters, prevKv, progressNotify, fragment } = request;
    const watcher = keyspace.watchers.create({ key, rangeEnd, startRevision, filters, prevKv, sink: this });
    const watch = { id, progressNotify, fragment, watcher, active: false };
    this.#watches.set(id, watch);
    this.#byWatcher.set(watcher, watch);
    if (!isCurrent(watcher, revision)) this.#lagging.add(watcher);
    if (progressNotify) this.#startTicker();
    if (!watcher.synced) catchUp.run();
  }

  /** The reason why a watch cannot be, or null (WA-03, WA-04, WA-09, WA-14). */
  #refusal(request: WatchCreateRequest, key: Buffer, rangeEnd: Buffer): string | null {
    if (request.startRevision < 0) return NEGATIVE_START;
    const denied = this.#context.callers.refuseRange(this.#call, key, rangeEnd);
    if (denied !== null) return statusText(denied);
    if (isEmptyRange(key, rangeEnd)) return RANGE_EMPTY;
    // Beyond it the decoder rounds: a client would find another id in the answer than it asked for.
    if (!Number.isSafeInteger(request.watchId)) return WATCH_ID_OUT_OF_RANGE;
    if (request.watchId !== 0 && this.#watches.has(request.watchId)) return DUPLICATE_ID;
    if (this.#watches.size >= WATCHES_PER_STREAM_MAX) return TOO_MANY_WATCHES;
    return null;
  }

  /** WA-02: ids count up from 0 on each stream and step over those in use. */
  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#overtake();
    this.#watches.delete(id);
    if (watch.watcher !== null) {
      this.#forget(watch.watcher);
      this.#context.keyspace.watchers.remove(watch.watcher);
    }
    this.#send({ ...this.#response(id, this.#context.keyspace.revision), canceled: true });
  }

  #forget(watcher: Watcher): void {
    this.#byWatcher.delete(watcher);
    this.#lagging.delete(watcher);
  }

  /**
   * WP-03 to WP-05: one answer for the whole stream when every watch has been told everything, else none; the client
   * asks again. Watchers are flushed in the turn that applies, so a synced one has nothing undelivered. It says that nothing
   * more had been written when it was asked for, so it waits as a linearizable read does; who asks meanwhile asks again. Replies
   * come in the order of the requests, so it is dropped when one to a later request goes before it.
   */
  #progress(): void {
    const { reads } = this.#context;
    if (reads.isOpen) return this.#tellProgress();
    if (this.#asking !== "no") return;
    this.#asking = "waits";
    reads.whenOpen((refusal) => {
      const isDue = this.#asking === "waits" && refusal === null;
      this.#asking = "no";
      if (isDue && !this.#call.closed) this.#tellProgress();
    });
  }

  #overtake(): void {
    if (this.#asking === "waits") this.#asking = "overtaken";
  }

  #tellProgress(): void {
    if (this.#byWatcher.size === 0 || !this.#call.writable) return;
    const { revision } = this.#context.keyspace;
    for (const watcher of this.#lagging) {
      if (!isCurrent(watcher, revision)) return;
      this.#lagging.delete(watcher);
    }
    this.#send(this.#response(INVALID_WATCH_ID, revision));
  }

  /** WP-02: the interval has up to a tenth of jitter, so that many streams do not tick together. */
  #startTicker(): void {
    if (this.#ticker === null) this.#tickLater();
  }

  #tickLater(): void {
    const { clock, progressIntervalMs } = this.#context;
    this.#ticker = clock.after(progressIntervalMs * (1 + Math.random() / 10), () => {
      this.#periodicProgress(this.#byWatcher.entries());
    });
  }

  /** Goes over the watches in slices, with a turn of the event loop between them. Those made meanwhile are met, too. */
  #periodicProgress(watches: MapIterator<[Watcher, Watch]>): void {
    if (this.#call.closed) return;
    const { keyspace, reads } = this.#context;
    const { revision } = keyspace;
    // Nobody waits for it: where it is not certain that nobody else writes, it comes another time.
    if (!reads.isOpen) return this.#tickLater();
    for (let left = SLICE_PROGRESS_WATCHES; left > 0; left--) {
      const next = watches.next();
      if (next.done === true) return this.#tickLater();
      const [watcher, watch] = next.value;
      if (!watch.progressNotify) continue;
      const idle = !watch.active;
      watch.active = false;
      if (!this.#call.writable) return this.#tickLater();
      if (idle && isCurrent(watcher, revision)) this.#send(this.#response(watch.id, revision));
    }
    this.#context.turns.later(() => this.#periodicProgress(watches));
  }

  #sendEvents(watch: Watch, headerRevision: number, events: EventList): void {
    const response = this.#response(watch.id, headerRevision);
    if (!watch.fragment) return this.#sendWith(response, events);
    // WC-06: the parts of one response follow each other without a break. An event larger than the limit goes whole.
    const fragments = this.#fragments.of(events);
    const last = fragments.length - 1;
    for (let i = 0; i < last; i++) this.#sendWith({ ...response, fragment: true }, fragments[i]);
    this.#sendWith(response, fragments[last]);
  }

  #response(watchId: number, revision: number): WatchResponse {
    return {
      header: this.#context.headers.at(revision),
      watchId,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events: NO_EVENTS.pieces,
    };
  }

  #send(response: WatchResponse): void {
    this.#sendWith(response, NO_EVENTS);
  }

  #sendWith(response: WatchResponse, { pieces, count, bytes }: EventList): void {
    this.#queued.look(this.#call.queuedBytes);
    response.events = pieces;
    // What an unread stream queues is shared with other watchers of the same, each of which would else keep a copy.
    if (bytes > COPIED_RESPONSE_BYTES || (bytes > 0 && !this.#call.writable)) {
      const { parts, length } = watchResponseParts(response, bytes);
      this.#call.sendParts(parts, length);
    } else {
      this.#writer.reset();
      writeWatchResponse(this.#writer, response);
      this.#call.send(this.#writer.bytes());
    }
    this.#queued.sent(count, this.#call.queuedBytes);
  }
}

/** A status as Go's gRPC library puts it into words (WA-14). */
function statusText({ code, message }: Status): string {
  return `rpc error: code = ${CODE_NAMES[code]} desc = ${message}`;
}

/** Whether the watcher has been told everything up to `revision` and waits for no later start (WP-03, WP-07). */
function isCurrent(watcher: Watcher, revision: number): boolean {
  return watcher.synced && !watcher.startsAfter(revision);
}

/** Contract §4.3: an end of one zero byte means every key from the start on; an empty end means the key itself. */
function isEmptyRange(key: Buffer, rangeEnd: Buffer): boolean {
  if (rangeEnd.length === 0 || (rangeEnd.length === 1 && rangeEnd[0] === 0)) return false;
  return Buffer.compare(key, rangeEnd) >= 0;
}
