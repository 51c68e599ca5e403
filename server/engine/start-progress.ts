/** How far the start has come, for all who wait for its end: probes, clients, the log. It is over once and for good. */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";

/** Before so much time has passed, how long the rest takes cannot be told. */
const ESTIMATE_AFTER_MS = 1_000;

export class StartProgress {
  readonly #clock: Pick<Clock, "nowMs">;
  /** Versions of the snapshot that is loaded, then records that the journal held when it was opened; null before. */
  #records: number | null = null;
  #work = "replaying";
  /** What is done before it can be opened. */
  #preparation = "opening the journal";
  /** It is not opened before another server has ended, whose name this tells; null: nobody is waited for. */
  #writer: (() => string) | null = null;
  /** Why it cannot be opened for now, or null. */
  #obstacle: string | null = null;
  #replayed = 0;
  #replayingSinceMs = 0;
  #isOver = false;
  /** One for each method and each stream that watches the health: the transport bounds them. */
  readonly #waiting = new Set<() => void>();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The server waits, and there is nothing that it should do before. */
  get isStandby(): boolean {
    return this.#writer !== null && !this.#isOver;
  }

  /** Another server has the journal: it is called so, or has an empty name when that is not known. */
  standBy(writer: () => string): void {
    this.#obstacle = null;
    this.#writer = writer;
  }

  /** The journal cannot be opened before this has passed. */
  waitFor(obstacle: string): void {
    this.#obstacle = obstacle;
    this.#writer = null;
  }

  /** This is done to the journal before it is opened. */
  prepare(what: string): void {
    this.#preparation = what;
  }

  /** A snapshot is loaded, and has so many versions. */
  load(versions: number): void {
    this.#begin("loading a snapshot", versions);
  }

  /** The snapshot is loaded, and what comes next is not known yet. */
  loaded(): void {
    this.#records = null;
  }

  /** The journal is open and holds so many records. */
  begin(records: number): void {
    this.#obstacle = null;
    this.#writer = null;
    this.#begin("replaying", records);
  }

  /** So many of them have been executed, or loaded. */
  advance(replayed: number): void {
    // How much others will write is not known.
    if (this.#records === null) return;
    assert(replayed <= this.#records, "no more is replayed than the journal held");
    this.#replayed = replayed;
  }

  #begin(work: string, count: number): void {
    this.#work = work;
    this.#records = count;
    this.#replayed = 0;
    this.#replayingSinceMs = this.#clock.nowMs();
  }

  /** The server serves. Tells those who wait. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const tell of waiting) tell();
  }

  /** Calls `tell` when it is over; what is returned takes that back. */
  whenOver(tell: () => void): () => void {
    assert(!this.#isOver, "what is over is not waited for");
    this.#waiting.add(tell);
    return () => void this.#waiting.delete(tell);
  }

  /** What is done of it, from 0 to 1. */
  get share(): number {
    if (this.#isOver) return 1;
    return this.#records === null || this.#records === 0 ? 0 : this.#replayed / this.#records;
  }

  /** How long the rest takes if it goes on as it did; null while that cannot be told. */
  get secondsLeft(): number | null {
    if (this.#isOver) return 0;
    const elapsedMs = this.#clock.nowMs() - this.#replayingSinceMs;
    if (this.share === 0 || elapsedMs < ESTIMATE_AFTER_MS) return null;
    return Math.ceil((elapsedMs * (1 / this.share - 1)) / 1_000);
  }

  /** `replaying 43 %, about 12 s left`, `loading a snapshot 43 %`, or null when it is over. */
  describe(): string | null {
    if (this.#isOver) return null;
    if (this.#writer !== null) return `standby: ${this.#writer() || "another server"} has the journal`;
    if (this.#obstacle !== null) return `the journal cannot be opened for now: ${this.#obstacle}`;
    if (this.#records === null) return this.#preparation;
    const { secondsLeft } = this;
    const left = secondsLeft === null ? "" : `, about ${secondsLeft} s left`;
    return `${this.#work} ${Math.floor(this.share * 100)} %${left}`;
  }
}
