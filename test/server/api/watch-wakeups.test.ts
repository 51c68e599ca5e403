/**
 * Who is forgotten? Watches on streams that fill and drain at any moment, among writes, compactions, cancels and streams
 * that end. Whenever the loop is idle, only watches of full streams have still to be told something; and once no stream
 * is full, each watch has been told all that it asked for, and nothing else. Engine and service are the real ones; only
 * the transport is played.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEvent } from "../../../proto/encoded-event.ts";
import type { WatchRequest, WatchResponse } from "../../../proto/messages.ts";
import { writeWatchRequest } from "../../../proto/request-writers.ts";
import { decodeWatchResponse } from "../../../proto/response-readers.ts";
import { Writer } from "../../../proto/writer.ts";
import { Headers } from "../../../server/api/header.ts";
import { WatchService } from "../../../server/api/watch.ts";
import { systemTurns } from "../../../server/clock.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import type { BidiMethod, MessageParts, StreamCall, StreamListener } from "../../../server/transport/service.ts";
import { callersOf } from "../../support/callers.ts";
import { newEngine, takeOver } from "../../support/engines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { wholeOf } from "../../../server/api/whole-message.ts";
import { putRequest, watchCreateRequest } from "../../../bench/client/requests.ts";

const STREAMS = 3;
const KEYS = ["a", "b", "c"];
const EVERY_KEY = { rangeEnd: Buffer.from("z") };
/** Written before the first step: a watch of all of it catches up in several slices. */
const HISTORY = 2_500;
/** Turns of the loop without a delivery after which none comes: a slice without events takes one. */
const IDLE_TURNS = 6;

/** When the messages of a full stream are taken. */
type Pace = "at once" | "when written out" | "never";

type Step =
  /** Few, or more than one delivery of catching up may hold. */
  | { readonly do: "write"; readonly key: number; readonly count: number }
  | { readonly do: "watch"; readonly stream: number; readonly key: number; readonly back: number }
  | { readonly do: "cancel"; readonly stream: number; readonly which: number }
  | { readonly do: "close" | "drain"; readonly stream: number }
  | { readonly do: "compact"; readonly back: number }
  | { readonly do: "pace"; readonly stream: number; readonly pace: Pace; readonly room: number }
  | { readonly do: "turns"; readonly count: number };

const stream = fc.nat(STREAMS - 1);
const key = fc.nat(KEYS.length);
/** The part of history that lies behind: 0 for nothing of it. */
const back = fc.constantFrom(0, 0.01, 0.5, 1);

const pace = fc.record({
  do: fc.constant("pace" as const),
  stream,
  pace: fc.constantFrom<Pace>("at once", "when written out", "never"),
  room: fc.nat(3),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("write"), key, count: fc.constantFrom(1, 1, 1, 3, 3, 10, 10, 1_100) }),
  fc.record({ do: fc.constant("watch"), stream, key, back }),
  pace,
  fc.record({ do: fc.constant("drain"), stream }),
  fc.record({ do: fc.constant("turns"), count: fc.integer({ min: 1, max: 4 }) }),
  fc.oneof(
    fc.record({ do: fc.constant("cancel"), stream, which: fc.nat(5) }),
    fc.record({ do: fc.constant("close"), stream }),
    fc.record({ do: fc.constant("compact"), back }),
  ),
) as fc.Arbitrary<Step>;

const steps: fc.Arbitrary<Step[]> = fc
  .tuple(fc.array(pace, { maxLength: 2 * STREAMS }), fc.array(step, { minLength: 3, maxLength: 30, size: "max" }))
  .map(([paces, others]) => [...paces, ...others]);

/** What one watch asked for and was told. */
class Told {
  readonly key: string | null;
  readonly start: number;
  readonly revisions: number[] = [];
  /** Cancelled by its client, by compaction, or with its stream. */
  ended = false;

  constructor(wanted: string | null, start: number) {
    this.key = wanted;
    this.start = start;
  }
}

/** A stream that is full when it holds more than `room` messages, until they are taken. */
class PlayedStream implements StreamCall {
  readonly metadata = { clientApiVersion: null, hasLeader: false, token: null };
  readonly queuedBytes = 0;
  readonly watches: Told[] = [];
  closed = false;
  writable = true;
  pace: Pace = "when written out";
  room = 0;
  deliveries = 0;
  listener: StreamListener | null = null;
  readonly #wrote: () => void;
  #held = 0;

  /** @param wrote tells that something is to be written out in this turn */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  send(message: Uint8Array): void {
    if (this.closed) return;
    this.#take(decodeWatchResponse(Buffer.from(message)));
    this.#held++;
    if (this.#held > this.room && this.pace !== "at once") this.writable = false;
    this.#wrote();
  }

  sendParts(parts: MessageParts, length: number): void {
    this.send(wholeOf(parts, length));
  }

  end(): void {
    throw new Error("no stream is ended by the server");
  }

  request(request: WatchRequest): void {
    const writer = new Writer();
    writeWatchRequest(writer, request);
    this.listener?.onMessage(writer.bytes());
  }

  /** What is held is taken. */
  drain(): void {
    this.#held = 0;
    if (this.writable || this.closed) return;
    this.writable = true;
    this.listener?.onDrain();
  }

  close(): void {
    this.closed = true;
    for (const watch of this.watches) watch.ended = true;
    this.listener?.onClose();
  }

  #take({ watchId, created, canceled, events }: WatchResponse): void {
    this.deliveries++;
    if (created) return;
    const watch = this.watches[watchId];
    expect(watch.ended && !canceled, "nothing comes behind the end").toBe(false);
    for (const record of events) watch.revisions.push(decodeEvent(record).kv?.modRevision ?? 0);
    if (canceled) watch.ended = true;
  }
}

class Play {
  readonly engine: Engine;
  readonly #service: WatchService;
  /** The key of every revision, from revision 2 on. */
  readonly #history: string[] = [];
  readonly #streams: PlayedStream[] = [];
  readonly #all: PlayedStream[] = [];
  #isDirty = false;

  constructor() {
    const clock = new ManualClock();
    const flush = (): void => this.#flush();
    this.engine = newEngine({ clock, flush });
    const { keyspace, catchUp, counters, leadership, reads } = this.engine;
    const headers = new Headers(1n, 1n, { epoch: 1 });
    const intervals = { progressIntervalMs: 600_000, fragmentBytes: 2 ** 21 };
    const callers = callersOf(keyspace);
    this.#service = new WatchService({
      keyspace,
      callers,
      catchUp,
      headers,
      clock,
      turns: systemTurns,
      counters,
      leadership,
      reads,
      ...intervals,
    });
    for (let i = 0; i < STREAMS; i++) this.#open(i);
  }

  async start(): Promise<void> {
    await takeOver(this.engine);
    for (let i = 0; i < HISTORY; i++) this.#write(KEYS[i % KEYS.length]);
    await turns(IDLE_TURNS);
  }

  async take(each: Step): Promise<void> {
    switch (each.do) {
      case "write":
        for (let i = 0; i < each.count; i++) this.#write(KEYS[each.key % KEYS.length]);
        return;
      case "watch":
        return this.#watch(this.#streams[each.stream], KEYS[each.key] ?? null, each.back);
      case "cancel":
        return this.#streams[each.stream].request({ case: "cancel", watchId: each.which });
      case "close":
        this.#streams[each.stream].close();
        return this.#open(each.stream);
      case "drain":
        return this.#streams[each.stream].drain();
      case "compact":
        void this.engine.compact(this.#behind(each.back));
        return;
      case "pace":
        Object.assign(this.#streams[each.stream], { pace: each.pace, room: each.room });
        return;
      case "turns":
        return turns(each.count);
    }
  }

  /** Waits until the loop is idle, with full streams left as they are, and then with none. */
  async end(): Promise<void> {
    await this.#idle();
    const { watchers } = this.engine.keyspace;
    expect(watchers.unsyncedCount - watchers.pausedCount, "watches that could go on").toBe(0);
    for (const played of this.#streams) {
      if (played.pace === "never") played.pace = "when written out";
      played.drain();
    }
    await this.#idle();
  }

  check(): void {
    const { watchers } = this.engine.keyspace;
    watchers.verify();
    expect({ unsynced: watchers.unsyncedCount, paused: watchers.pausedCount }).toEqual({ unsynced: 0, paused: 0 });
    for (const { watches } of this.#all) {
      for (const watch of watches) {
        const wanted = this.#wanted(watch);
        // One that ended has been told a part, from the beginning on.
        expect(watch.revisions).toEqual(watch.ended ? wanted.slice(0, watch.revisions.length) : wanted);
      }
    }
  }

  async #idle(): Promise<void> {
    for (let before = -1, now = 0; before !== now;) {
      before = now;
      await turns(IDLE_TURNS);
      now = this.#all.reduce((sum, { deliveries }) => sum + deliveries, 0) + this.engine.applier.pending;
    }
  }

  /** As in the transport: in a turn in which something was written, and in the middle of it when the engine says so. */
  #flush(): void {
    this.#isDirty = false;
    for (const played of this.#streams) if (played.pace === "when written out") played.drain();
  }

  readonly #wrote = (): void => {
    if (this.#isDirty) return;
    this.#isDirty = true;
    process.nextTick(() => this.#flush());
  };

  #open(at: number): void {
    const [method] = this.#service.methods as [BidiMethod];
    const played = new PlayedStream(this.#wrote);
    played.listener = method.open(played);
    this.#streams[at] = played;
    this.#all.push(played);
  }

  #write(name: string): void {
    const request = putRequest(name);
    const onApplied = (): void => void this.#history.push(name);
    const waiter = { onApplied, onLost: (): void => {} };
    this.engine.proposer.propose(PUT, request, recordOf(PUT, PUT.encode(request)), waiter);
  }

  #watch(played: PlayedStream, wanted: string | null, part: number): void {
    const start = part === 0 ? this.engine.keyspace.revision + 1 : this.#behind(part);
    played.watches.push(new Told(wanted, start));
    const fields = { startRevision: part === 0 ? 0 : start, ...(wanted === null ? EVERY_KEY : {}) };
    played.request({ case: "create", request: watchCreateRequest(wanted ?? KEYS[0], fields) });
  }

  /** The revision that leaves a part of history behind. */
  #behind(part: number): number {
    const { revision } = this.engine.keyspace;
    return Math.max(1, revision - Math.floor(part * revision));
  }

  #wanted(watch: Told): number[] {
    const revisions: number[] = [];
    for (const [i, name] of this.#history.entries()) {
      if (i + 2 >= watch.start && (watch.key === null || watch.key === name)) revisions.push(i + 2);
    }
    return revisions;
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 40);

test("however streams fill and drain, no watch is forgotten", { timeout: 60_000 + 1_000 * numRuns }, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const play = new Play();
      await play.start();
      for (const each of taken) await play.take(each);
      await play.end();
      play.check();
      play.engine.stop();
    }),
    { numRuns },
  );
});
