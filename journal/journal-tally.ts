/**
 * What is kept of a journal's replicas for operators while reigns come and go: their last errors, how often they were
 * rebuilt or found to be damaged, and who is told how long they take. There is one for each journal that a process has, and each reign, or
 * whoever waits for one, says through it how things stand.
 */
import type { JournalError } from "./journal.ts";
import type { JournalStatus, ReplicaStatus } from "./journal-status.ts";

/** Is told how long a replica takes, once for each frame or beat. */
export interface ReplicaObserver {
  /**
   * A frame became durable there so long after it was sent, or after the one before it did, as they are written one behind
   * the other. Where the replica is elsewhere the way there and back is in it.
   */
  onAppended(milliseconds: number): void;
  /** A replica elsewhere answered so long after it was asked something for which it needs no disk. */
  onRoundTrip(milliseconds: number): void;
}

export interface JournalTallyOptions {
  /** Under what name others hear of this process; none unless given. */
  readonly writer?: string;
  /** Those that are shown before anybody speaks to them. */
  readonly zones?: readonly { readonly zone: string; readonly place: string }[];
  /** The wall clock, Unix ms: when errors came. */
  readonly wallMs?: () => number;
  /** Who is told of a zone's replica; nobody unless given. */
  readonly observe?: (zone: string) => ReplicaObserver;
}

/** A reign, or who waits for one. */
export interface StatusSource {
  status(): JournalStatus;
}

export class ReplicaTally {
  readonly zone: string;
  readonly place: string;
  readonly observer: ReplicaObserver;
  readonly #wallMs: () => number;
  lastError: string | null = null;
  lastErrorAtMs: number | null = null;
  rebuilds = 0;
  damages = 0;

  constructor(zone: string, place = "", wallMs = (): number => 0, observer = NOBODY) {
    this.zone = zone;
    this.place = place;
    this.#wallMs = wallMs;
    this.observer = observer;
  }

  note({ message }: JournalError): void {
    this.lastError = message;
    this.lastErrorAtMs = this.#wallMs();
  }

  /** Frames on its disk are not intact. */
  noteDamage(reason: JournalError): void {
    this.note(reason);
    this.damages++;
  }

  /** Of a replica that nobody speaks to. */
  closed(): ReplicaStatus {
    const { zone, place, lastError, lastErrorAtMs, rebuilds, damages } = this;
    const unknown = { index: null, position: null, lagRecords: null, lagMs: null, queueFrames: 0, queueBytes: 0 };
    return { zone, place, state: "closed", ...unknown, lastError, lastErrorAtMs, rebuilds, damage: null, damages };
  }
}

export class JournalTally {
  readonly writer: string;
  readonly #zones: Map<string, ReplicaTally>;
  readonly #wallMs: () => number;
  #source: StatusSource | null = null;
  /** What the last source said when it ended. */
  #epoch = 0;
  #committed = 0;

  constructor({ writer = "", zones = [], wallMs = () => 0, observe }: JournalTallyOptions = {}) {
    this.writer = writer;
    this.#wallMs = wallMs;
    this.#zones = new Map(
      zones.map(({ zone, place }) => [zone, new ReplicaTally(zone, place, wallMs, observe?.(zone))]),
    );
  }

  /** Of a zone; one that was not named before is from now on. */
  of(zone: string): ReplicaTally {
    let tally = this.#zones.get(zone);
    if (tally === undefined) {
      tally = new ReplicaTally(zone, "", this.#wallMs);
      this.#zones.set(zone, tally);
    }
    return tally;
  }

  /** From now on this one says how things stand. */
  begin(source: StatusSource): void {
    this.#source = source;
  }

  /** It does not any more. */
  end(source: StatusSource): void {
    if (this.#source !== source) return;
    const { epoch, committed } = source.status();
    this.#source = null;
    this.#epoch = epoch;
    this.#committed = committed;
  }

  status(): JournalStatus {
    if (this.#source !== null) return this.#source.status();
    const replicas = [...this.#zones.values()].map((tally) => tally.closed());
    return { role: "none", epoch: this.#epoch, writer: "", committed: this.#committed, replicas };
  }
}

const NOBODY: ReplicaObserver = { onAppended: () => undefined, onRoundTrip: () => undefined };
