/**
 * One watch of a prefix, as an apiserver has it for each resource: on a stream of its own, with previous values and
 * progress. It checks the order of the events, adds up which they were, and times them.
 */

import { RESPONSE_FIELDS_MAX } from "../../proto/limits.ts";
import { Reader } from "../../proto/reader.ts";
import { writeWatchRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import type { LeanClient, LeanStream, StreamHandler } from "../client/lean-client.ts";
import { prefixWatch } from "../client/requests.ts";
import { Fingerprint } from "./fingerprint.ts";
import { monotonicMs } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import { intendedMsOf, VALUE_BYTES_MIN } from "./objects.ts";
import { readHeaderRevision, readKv } from "./replies.ts";

const WATCH_PATH = "/etcdserverpb.Watch/Watch";

/** kube-apiserver's clients want a server that knows a leader. */
const METADATA = [["hasleader", "true"]] as const;

/** progressRequestPeriod of kube-apiserver. */
const ASK_AGAIN_MILLISECONDS = 100;

const writer = new Writer();
writeWatchRequest(writer, { case: "progress" });
const PROGRESS_REQUEST = writer.copy();

/** Hears of events and of what is wrong. */
export interface StreamObserver {
  /** @param intendedMs when the write was meant to begin; 0 for a deletion, which does not tell */
  onEvent(intendedMs: number, nowMs: number): void;
  onWrong(text: string): void;
}

export class WatchedStream implements StreamHandler {
  readonly prefix: string;
  readonly created = Promise.withResolvers<void>();
  readonly fingerprint = new Fingerprint();
  readonly #observer: StreamObserver;
  readonly #stream: LeanStream;
  /** Up to where all is known, from events and from progress. */
  #knownRevision: number;
  /** Who waits for a revision, lower ones first. */
  readonly #waiting = new Fifo<{ readonly revision: number; readonly onKnown: () => void }>();
  #askAgain: NodeJS.Timeout | null = null;
  #askedMs = 0;
  #closed = false;
  #isLost = false;

  /** @param revision events after it are watched */
  constructor(client: LeanClient, prefix: string, revision: number, observer: StreamObserver) {
    this.prefix = prefix;
    this.#knownRevision = revision;
    this.#observer = observer;
    this.#stream = client.stream(WATCH_PATH, this, { metadata: METADATA });
    const request = prefixWatch(prefix, { startRevision: revision + 1, prevKv: true, progressNotify: true });
    writer.reset();
    writeWatchRequest(writer, { case: "create", request });
    this.#stream.send(writer.bytes());
  }

  /** The history that it had still to tell was compacted, and the server gave it up. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Calls back when all up to `revision` has come, and asks for progress until then. Revisions must not descend. */
  waitFor(revision: number, onKnown: () => void): void {
    if (revision <= this.#knownRevision || this.#isLost) return onKnown();
    this.#waiting.push({ revision, onKnown });
    this.#ask();
  }

  close(): void {
    this.#closed = true;
    if (this.#askAgain !== null) clearTimeout(this.#askAgain);
    this.#stream.cancel();
  }

  onMessage(message: Buffer): void {
    const nowMs = monotonicMs();
    const reader = new Reader(message, RESPONSE_FIELDS_MAX);
    let headerRevision = 0;
    let events = 0;
    let isProgress = true;
    let isCancelled = false;
    let compactRevision = 0;
    while (reader.hasMore()) {
      const tag = reader.tag();
      if (tag === 0x0a) {
        headerRevision = readHeaderRevision(reader);
      } else if (tag === 0x5a) {
        events++;
        this.#readEvent(reader, nowMs);
      } else if (tag === 0x18) {
        isProgress = !reader.bool();
        this.created.resolve();
      } else if (tag === 0x20) {
        isCancelled = reader.bool();
      } else if (tag === 0x28) {
        compactRevision = reader.int64();
      } else {
        reader.skip(tag);
      }
    }
    if (isCancelled) return this.#cancelled(compactRevision);
    // What a message with events says of the revision is not that all up to it has come.
    if (events === 0 && isProgress) this.#know(headerRevision);
    this.#answer();
  }

  #cancelled(compactRevision: number): void {
    if (compactRevision === 0) this.#observer.onWrong(`${this.prefix}: the watch was cancelled`);
    this.#isLost = true;
    for (let next = this.#waiting.take(); next !== undefined; next = this.#waiting.take()) next.onKnown();
  }

  onEnd(status: number, text: string): void {
    if (!this.#closed) this.#observer.onWrong(`${this.prefix}: the stream ended with status ${status}: ${text}`);
  }

  /** An event whose tag was read. */
  #readEvent(reader: Reader, nowMs: number): void {
    const outer = reader.enter();
    let isDeletion = false;
    let revision = 0;
    let intendedMs = 0;
    while (reader.hasMore()) {
      const tag = reader.tag();
      if (tag === 0x12) {
        const kv = readKv(reader);
        revision = kv.modRevision;
        if (kv.valueBytes >= VALUE_BYTES_MIN) intendedMs = intendedMsOf(reader.bytes, kv.valueAt);
      } else if (tag === 0x08) {
        isDeletion = reader.bool();
      } else {
        reader.skip(tag);
      }
    }
    reader.leave(outer);
    // Every write of the load is a revision of its own, and progress tells that nothing up to it is to come.
    if (revision <= this.#knownRevision) {
      this.#observer.onWrong(`${this.prefix}: an event of ${revision} after ${this.#knownRevision}`);
    }
    this.fingerprint.add(revision);
    this.#know(revision);
    this.#observer.onEvent(isDeletion ? 0 : intendedMs, nowMs);
  }

  #know(revision: number): void {
    if (revision > this.#knownRevision) this.#knownRevision = revision;
  }

  #answer(): void {
    for (let head = this.#waiting.head; head !== undefined; head = this.#waiting.head) {
      if (head.revision > this.#knownRevision) return;
      this.#waiting.take();
      head.onKnown();
    }
  }

  /** As kube-apiserver: at once when it has not asked lately, and again and again while somebody waits. */
  #ask(): void {
    if (this.#askAgain !== null || this.#closed) return;
    const sinceMs = monotonicMs() - this.#askedMs;
    const ask = (): void => {
      this.#askAgain = null;
      if (this.#waiting.length === 0) return;
      this.#askedMs = monotonicMs();
      this.#stream.send(PROGRESS_REQUEST);
      this.#askAgain = setTimeout(ask, ASK_AGAIN_MILLISECONDS);
    };
    if (sinceMs >= ASK_AGAIN_MILLISECONDS) ask();
    else this.#askAgain = setTimeout(ask, ASK_AGAIN_MILLISECONDS - sinceMs);
  }
}
