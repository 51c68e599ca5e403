/**
 * What one server said on one watch stream, sorted by watch. A watch is known by the number of its create request among
 * those of the stream: the server answers them in that order, and ids may be used again.
 */
import { decodeWatchResponse } from "../../proto/response-readers.ts";
import { writeWatchRequest } from "../../proto/request-writers.ts";
import type { WatchRequest, WatchResponse } from "../../proto/messages.ts";
import { Writer } from "../../proto/writer.ts";
import type { LeanClient, LeanStream } from "../../bench/client/lean-client.ts";
import type { Names, PlainEvent, PlainHeader } from "./plain.ts";
import { plainEvent, plainHeader } from "./plain.ts";

/** A response that is about a watch itself: its beginning or its end. */
export interface Notice {
  readonly header: PlainHeader | null;
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
}

/** A response with events. The parts of a fragmented one are joined. */
export interface Delivery {
  readonly header: PlainHeader | null;
  readonly watchId: number;
  readonly events: readonly PlainEvent[];
  /** How many events each part had: one number when it came whole. */
  readonly parts: readonly number[];
}

/** What came for one watch since it was last asked for. */
export interface WatchNews {
  notices: Notice[];
  deliveries: Delivery[];
}

const WATCH_PATH = "/etcdserverpb.Watch/Watch";
/** Progress for all watches of a stream. */
const ALL_WATCHES = -1;

export class WatchLog {
  /** By number of the create request. */
  readonly watches: WatchNews[] = [];
  /** Progress that was reported since it was last asked for. */
  progress: PlainHeader[] = [];
  /** What no server may send, in words. */
  readonly violations: string[] = [];
  readonly #names: Names;
  readonly #stream: LeanStream;
  /** Watches by their id, while they are not cancelled. */
  readonly #byId = new Map<number, OpenWatch>();
  /** The watch whose response has come in part. */
  #partial: OpenWatch | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(client: LeanClient, names: Names) {
    this.#names = names;
    this.#stream = client.stream(WATCH_PATH, {
      onMessage: (message) => {
        this.#take(decodeWatchResponse(Buffer.from(message)));
        this.#wake();
      },
      onEnd: (code, message) => {
        this.violations.push(`the stream ended with ${code}: ${message}`);
        this.#wake();
      },
    });
  }

  send(request: WatchRequest): void {
    const writer = new Writer();
    writeWatchRequest(writer, request);
    this.#stream.send(writer.bytes());
  }

  /** Ends the stream. */
  cancel(): void {
    this.#stream.cancel();
  }

  /** Forgets what came so far, but not which watches there are. */
  forget(): void {
    for (const watch of this.watches) {
      watch.notices = [];
      watch.deliveries = [];
    }
    this.progress = [];
  }

  /** Resolves at the next response, or after that time. */
  async moved(millisecondsMax: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, millisecondsMax);
    // One whose wait was given up for another log's may still be here beside the next.
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
    clearTimeout(timer);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  #take(response: WatchResponse): void {
    const { watchId, created, canceled, compactRevision, events } = response;
    if (this.#partial !== null && (events.length === 0 || watchId !== this.#partial.watchId)) {
      this.violations.push(`a response for ${watchId} came among the parts of one for ${this.#partial.watchId}`);
    }
    if (created) return this.#create(response);
    if (canceled || compactRevision !== 0) return this.#cancel(response);
    if (events.length > 0) return this.#deliver(response);
    if (watchId !== ALL_WATCHES) this.violations.push(`nothing was said about ${watchId}`);
    this.progress.push(this.#header(response));
  }

  #create(response: WatchResponse): void {
    const news: WatchNews = { notices: [this.#notice(response)], deliveries: [] };
    this.watches.push(news);
    if (response.canceled) return;
    if (this.#byId.has(response.watchId)) this.violations.push(`watch ${response.watchId} was created twice`);
    this.#byId.set(response.watchId, new OpenWatch(response.watchId, news));
  }

  /** A watch that compaction ended may still be cancelled by its client. */
  #cancel(response: WatchResponse): void {
    const watch = this.#byId.get(response.watchId);
    if (watch === undefined) {
      this.violations.push(`${response.watchId} is cancelled and was not there`);
      return;
    }
    if (response.events.length > 0) this.violations.push(`${response.watchId} is cancelled with events`);
    if (response.compactRevision === 0) this.#byId.delete(response.watchId);
    watch.ended = true;
    watch.news.notices.push(this.#notice(response));
  }

  #deliver(response: WatchResponse): void {
    const watch = this.#byId.get(response.watchId);
    if (watch === undefined || watch.ended) {
      this.violations.push(`events for ${response.watchId}, which is not there`);
      return;
    }
    const events = response.events.map((encoded) => plainEvent(encoded, this.#names));
    const header = this.#header(response);
    watch.check(events, header.revision, this.violations);
    watch.parts.push(events);
    this.#partial = response.fragment ? watch : null;
    if (response.fragment) return;
    watch.news.deliveries.push({
      header,
      watchId: response.watchId,
      events: watch.parts.flat(),
      parts: watch.parts.map((part) => part.length),
    });
    watch.parts = [];
  }

  #header({ header }: WatchResponse): PlainHeader {
    if (header === null) this.violations.push("a response without a header");
    return plainHeader(header, this.#names) ?? { cluster: "none", member: "none", revision: 0, term: "unset" };
  }

  #notice(response: WatchResponse): Notice {
    const { watchId, created, canceled, compactRevision, cancelReason } = response;
    return { header: this.#header(response), watchId, created, canceled, compactRevision, cancelReason };
  }
}

class OpenWatch {
  readonly watchId: number;
  readonly news: WatchNews;
  ended = false;
  /** The parts of a response whose last one has not come. */
  parts: PlainEvent[][] = [];
  #headerRevision = 0;
  #revision = 0;

  constructor(watchId: number, news: WatchNews) {
    this.watchId = watchId;
    this.news = news;
  }

  /** Ordered and atomic: revisions ascend, each in one response; the header is not below them and does not fall. */
  check(events: readonly PlainEvent[], headerRevision: number, violations: string[]): void {
    const first = events[0].kv?.mod ?? 0;
    const isWhole = this.parts.length === 0;
    if (isWhole ? first <= this.#revision : first < this.#revision) {
      violations.push(`${this.watchId} is told of revision ${first} after ${this.#revision}`);
    }
    for (const { kv } of events) {
      const revision = kv?.mod ?? 0;
      if (revision < this.#revision) violations.push(`${this.watchId} goes back to revision ${revision}`);
      this.#revision = revision;
    }
    if (headerRevision < this.#revision) violations.push(`${this.watchId} has a header below its events`);
    if (headerRevision < this.#headerRevision) violations.push(`${this.watchId} has a header that falls`);
    this.#headerRevision = headerRevision;
  }
}
