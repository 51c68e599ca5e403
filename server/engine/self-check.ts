/**
 * The self-check: from time to time a witness, which is a keyspace beside this one, is made of what the disks have: of the older of
 * the two snapshots that are kept, and of the journal behind it. It is to be what memory is, byte by byte, and users, leases and alarms with it. Where it is
 * not, one of the three is wrong, and nobody knows which: the CORRUPT alarm refuses every write, as in etcd, and the log names the
 * first key that differs.
 *
 * etcd compares the hashes of its members (--corrupt-check-time). Here one member has all of it twice for as long as a check lasts,
 * so that a check needs the memory of another keyspace, and is not begun where there is none.
 */
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import type { SnapshotSource } from "../../partitions/walk/snapshot-source.ts";
import type { JournalReader } from "../../journal/journal.ts";
import type { Clock, Timer, Turns } from "../clock.ts";
import { SELF_CHECK_SLICE_RECORDS, SNAPSHOT_PAUSE_MS, SNAPSHOT_SLICE_MS } from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";
import { durationText } from "./event-log.ts";
import type { EventLog } from "./event-log.ts";
import { giveSnapshot } from "./snapshot-giving.ts";
import type { SnapshotReceiver } from "./snapshot-giving.ts";
import type { SnapshotShelf, StoredSnapshot } from "./snapshots.ts";

/** What is not the same: the first key, or what else. */
export interface Difference {
  readonly key: Uint8Array | null;
  readonly fact: string | null;
}

/** Takes whole images or records, each behind its length (u32, little endian). */
export type Testimony = SnapshotReceiver;

/** A keyspace of its own, elsewhere. What it is given it takes in the order of the calls. */
export interface Witness {
  /** It begins as what a snapshot tells of; else empty. */
  begin(facts: KeyspaceFacts): void;
  /** Takes the snapshot's images. */
  versions(): Testimony;
  /** Takes records, which it executes. */
  records(): Testimony;
  /** Takes images of what it is to be, with these facts. */
  compare(facts: KeyspaceFacts): Testimony;
  /** All was given. @throws Error when it could not be made */
  finish(): Promise<Difference | null>;
  close(): Promise<void>;
}

export interface SelfCheckOptions {
  /** How long after the one before. */
  readonly everyMs: number;
  readonly keyspace: Keyspace;
  readonly shelf: SnapshotShelf;
  readonly openWitness: () => Witness;
  /** Null while there is no reign. */
  readonly journal: () => Pick<JournalReader, "first" | "read"> | null;
  /** That of the newest snapshot; 0 when there is none. */
  readonly newestPosition: () => number;
  /** How far the journal was executed. */
  readonly position: () => number;
  /** Whether there is memory for so many bytes of keys and values. */
  readonly isMemoryShortWith: (keptBytes: number) => boolean;
  readonly raiseCorrupt: () => void;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly counters: Counters;
  readonly log: EventLog;
}

const RECORD_LENGTH_BYTES = 4;

/** A keyspace at a moment, and how far the journal was executed then. */
interface Held {
  readonly source: SnapshotSource;
  readonly position: number;
}

export class SelfCheck {
  readonly #options: SelfCheckOptions;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #isServing = false;
  #neededFrom = Number.POSITIVE_INFINITY;

  constructor(options: SelfCheckOptions) {
    this.#options = options;
  }

  /** The journal is not to be trimmed from this position on, which the check under way is to read. */
  get neededFrom(): number {
    return this.#neededFrom;
  }

  /** From now on it is made when it is due. */
  serve(): void {
    this.#isServing = true;
    this.#wait();
  }

  /** Whoever follows makes none: what it executes is not all that there is. */
  demote(): void {
    this.#isServing = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Gives up the one that is under way. */
  async close(): Promise<void> {
    this.demote();
    await this.#running;
  }

  #wait(): void {
    const { everyMs, clock } = this.#options;
    if (!this.#isServing || this.#timer !== null || this.#running !== null) return;
    this.#timer = clock.after(everyMs, () => {
      this.#timer = null;
      this.#running = this.#check().finally(() => {
        this.#running = null;
        this.#neededFrom = Number.POSITIVE_INFINITY;
        this.#wait();
      });
    });
  }

  async #check(): Promise<void> {
    const { clock, counters, log, raiseCorrupt } = this.#options;
    const beganMs = clock.nowMs();
    try {
      const { difference, revision, versions } = await this.#compare();
      counters.selfChecks++;
      const fields = { revision, versions, took: durationText(clock.nowMs() - beganMs) };
      if (difference === null) return log.info(fields, "memory is what snapshot and journal make of it");
      counters.selfChecksDiffering++;
      log.warn(
        { ...fields, ...fieldsOf(difference) },
        "memory is not what snapshot and journal make of it; raising alarm",
      );
      raiseCorrupt();
    } catch (error) {
      if (!this.#isServing) return;
      counters.selfChecksFailed++;
      log.warn({ error }, "memory could not be compared with snapshot and journal");
    }
  }

  async #compare(): Promise<{
    readonly difference: Difference | null;
    readonly revision: number;
    readonly versions: number;
  }> {
    const { keyspace, journal, openWitness, isMemoryShortWith } = this.#options;
    if (isMemoryShortWith(2 * keyspace.bytes)) throw new Error("there is no memory for a second keyspace");
    this.#neededFrom = journal()?.first ?? 1;
    const snapshot = await this.#beginning();
    this.#neededFrom = (snapshot?.info.position ?? 0) + 1;
    const witness = openWitness();
    let held: Held | null = null;
    try {
      if (snapshot !== null) {
        witness.begin(snapshot.facts.keyspace);
        for await (const piece of snapshot.pieces()) await this.#give(witness.versions(), piece);
      }
      // What was executed meanwhile is less, and soon given, when the keyspace is held.
      const soFar = this.#options.position();
      await this.#execute(witness, this.#neededFrom, soFar);
      held = await this.#hold();
      await this.#execute(witness, soFar + 1, held.position);
      const { source } = held;
      const testimony = witness.compare(source.facts);
      await giveSnapshot(source, testimony, this.#options, SNAPSHOT_PAUSE_MS, () => this.#checkServing());
      const difference = await witness.finish();
      return { difference, revision: source.facts.revision, versions: source.count };
    } finally {
      held?.source.hold.release();
      await witness.close();
    }
  }

  /** The snapshot before the newest: what went wrong before that was taken is in the newest as well. Null for the journal's beginning. */
  async #beginning(): Promise<StoredSnapshot | null> {
    const { shelf, newestPosition, journal } = this.#options;
    const newest = newestPosition();
    const before = newest === 0 ? null : await shelf.newest(newest - 1);
    return before === null && (journal()?.first ?? 1) > 1 ? shelf.newest(newest) : before;
  }

  /** The keyspace as it is between two changes. */
  async #hold(): Promise<Held> {
    for (;;) {
      this.#checkServing();
      const source = this.#options.keyspace.openSnapshot();
      if (source !== null) return { source, position: this.#options.position() };
      await this.#turn();
    }
  }

  /** Has the witness execute the journal from a position on, up to another that was executed here. */
  async #execute(witness: Witness, from: number, last: number): Promise<void> {
    const { clock } = this.#options;
    const journal = this.#options.journal();
    if (from > last) return;
    if (journal === null) throw new Error("the journal is another's");
    let sliceEndMs = clock.nowMs() + SNAPSHOT_SLICE_MS;
    for await (const run of journal.read(from)) {
      for (let i = 0; i < run.count && run.first + i <= last; i++) {
        const record = run.bytes(i);
        const testimony = witness.records();
        putRecord(testimony, record);
        if (i % SELF_CHECK_SLICE_RECORDS !== 0 || clock.nowMs() < sliceEndMs) continue;
        await this.#pause(testimony);
        sliceEndMs = clock.nowMs() + SNAPSHOT_SLICE_MS;
      }
      if (run.first + run.count > last) break;
    }
  }

  async #give(testimony: Testimony, piece: Buffer): Promise<void> {
    piece.copy(testimony.reserve(piece.length));
    testimony.commit(piece.length, 0, piece);
    await this.#pause(testimony);
  }

  async #pause(testimony: Testimony): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((resolve) => void clock.after(SNAPSHOT_PAUSE_MS, resolve));
    if (!testimony.hasRoom) await new Promise<void>((resolve) => (testimony.onRoom = resolve));
    this.#checkServing();
  }

  #checkServing(): void {
    if (!this.#isServing) throw new Error("the server does not write any more");
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.turns.later(resolve));
  }
}

function putRecord(testimony: Testimony, record: Buffer): void {
  const bytes = RECORD_LENGTH_BYTES + record.length;
  const target = testimony.reserve(bytes);
  target.writeUInt32LE(record.length, 0);
  record.copy(target, RECORD_LENGTH_BYTES);
  testimony.commit(bytes, 1, record);
}

/** A key as it is, or, where it is no text, in hexadecimal digits. */
function fieldsOf({ key, fact }: Difference): object {
  if (key === null) return { differs: fact };
  const bytes = Buffer.from(key);
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? { key: text } : { "key-hex": bytes.toString("hex") };
}
