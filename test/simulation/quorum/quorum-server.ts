/**
 * A server as small as one can be over a journal that lies on several replicas. It waits as a standby, takes over, executes
 * what is committed, answers reads when its reign is confirmed and writes when they are committed, and shows every write to
 * its watchers. A put is a record whose position is its revision.
 */
import assert from "node:assert/strict";
import type { Journal } from "../../../journal/journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { FRAMES_IN_FLIGHT, FRAME_BYTES_SOFT, SETTLE_TIMEOUT_MS } from "../../../journal/limits.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import { Repairs } from "../../../journal/quorum/repairs.ts";
import { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import { Standby } from "../../../journal/quorum/standby.ts";
import { takeOver } from "../../../journal/quorum/take-over.ts";
import type { Rot } from "../../../journal/replica/messages.ts";
import type { Write } from "../../sim/world/history.ts";
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";
import type { ClientRequest, ServerAnswer } from "../client/messages.ts";
import { Watchers } from "../client/watchers.ts";
import type { Answered, Rotten } from "./quorum-replica.ts";
import { SALT } from "./quorum-replica.ts";

export interface Times {
  readonly leaseMs: number;
  readonly electionMs: number;
  readonly beatMs: number;
}

/** What a server is given beside its place. */
export interface ServerOptions {
  readonly zones: readonly string[];
  readonly times: Times;
  readonly snapshot: Snapshot;
  readonly laggardBytesMax: number;
  readonly windowBytesMax: number;
}

/** What is there when records are trimmed: it outlives all servers. */
export interface Snapshot {
  writes: readonly Write[];
}

/** It tries again after so long at most. */
const RETRY_MS_MAX = 100;
/** A zone is given a snapshot in so long, if it is. */
const PREPARE_MS_MEAN = 20;
const PREPARED_SHARE = 0.8;
/** Some records are larger: segments come to an end. */
const PADDING_MAX = 1_000;

interface Waiting {
  readonly write: Write;
  readonly id: number;
  readonly client: Node;
}

export class QuorumServer {
  /** What it has executed, from revision 1 on. */
  writes: Write[] = [];
  readonly #node: Node;
  readonly #network: Network;
  readonly #options: ServerOptions;
  readonly #snapshot: Snapshot;
  readonly #writer: number;
  readonly #values = new Map<string, Write>();
  readonly #watchers: Watchers;
  /** Appended, not committed. */
  #pending: Waiting[] = [];
  #peers: readonly Peer[] = [];
  #links = 0;
  readonly #byZone = new Map<string, (message: Answered) => void>();
  #repairs: Repairs | null = null;
  #standby: Standby | null = null;
  /** Null while it does not serve. */
  #journal: QuorumJournal | null = null;
  #endReign = (): void => undefined;

  constructor(node: Node, network: Network, options: ServerOptions) {
    this.#node = node;
    this.#network = network;
    this.#watchers = new Watchers(node, network);
    this.#options = options;
    this.#snapshot = options.snapshot;
    this.#writer = node.world.integer(1, Number.MAX_SAFE_INTEGER);
    network.attach(node, (message, from) => this.#receive(message, from));
    this.#run().catch((error: unknown) => node.world.fail(error));
    this.#watchers.beat(() => this.isServing);
  }

  get isServing(): boolean {
    return this.#journal !== null;
  }

  /** Whether this replica is listed for its zone, and knows it, as far as this server knows. */
  isWell(zone: string, replicaId: number): boolean {
    return this.#journal?.isWell(zone, replicaId) === true;
  }

  /** Takes over at once, if it does not serve, whoever does. */
  force(): void {
    this.#standby?.skip();
  }

  /** Gives the reign up in order: the next one need not wait. */
  retire(): void {
    this.#journal?.close().then(this.#endReign, (error: unknown) => this.#node.world.fail(error));
  }

  /** Lets the replicas forget what it has executed. */
  trim(): void {
    if (this.#journal === null || !this.#journal.isCurrent) return;
    if (this.writes.length > this.#snapshot.writes.length) this.#snapshot.writes = [...this.writes];
    this.#journal.trim(this.writes.length + 1).catch((error: unknown) => {
      if (error instanceof JournalError) this.#node.world.note(`${this.#node.name} trims nothing: ${error.message}`);
      else this.#node.world.fail(error);
    });
  }

  /** Now and then it does not succeed. */
  async #prepareZone(zone: string, firstPosition: number): Promise<void> {
    const { world, clock, name } = this.#node;
    world.note(`${name} gives ${zone} a snapshot, to begin with revision ${firstPosition}`);
    assert(this.#snapshot.writes.length >= firstPosition - 1, "a snapshot has what is passed over");
    await new Promise<void>((resolve) => void clock.after(world.exponential(PREPARE_MS_MEAN), resolve));
    if (!world.chance(PREPARED_SHARE)) throw new Error("the zone has no room");
  }

  async #run(): Promise<never> {
    for (;;) {
      this.#connect();
      try {
        await this.#waitForVacancy();
        await this.#reign();
      } catch (error) {
        if (!(error instanceof JournalError)) throw error;
        this.#node.world.note(`${this.#node.name}: ${error.message}`);
        const pauseMs = this.#node.world.between(1, RETRY_MS_MAX);
        await new Promise<void>((resolve) => void this.#node.clock.after(pauseMs, resolve));
      }
    }
  }

  #connect(): void {
    this.#repairs?.close();
    for (const peer of this.#peers) peer.close();
    const { turns, clock } = this.#node;
    this.#peers = this.#options.zones.map(
      (zone, i) =>
        new Peer(i, zone, false, (listener) => {
          const link = ++this.#links;
          this.#byZone.set(zone, (message) => {
            if ("released" in message) listener.onReleased(message.released);
            else if ("promised" in message) listener.onPromised(message.promised, message.name);
            else if ("rot" in message) listener.onRotten(rotOf(message.rot));
            else if (message.link === link) listener.onAnswer(message.answer);
          });
          turns.later(() => listener.onUp(true, null));
          return {
            send: (request) => this.#network.send(this.#node, zone, { link, request }),
            close: () => void this.#byZone.delete(zone),
          };
        }),
    );
    this.#repairs = new Repairs(this.#peers, clock);
  }

  async #waitForVacancy(): Promise<void> {
    const { clock, world } = this.#node;
    const { beatMs, electionMs } = this.#options.times;
    this.#standby = new Standby({ peers: this.#peers, clock, random: world.random, beatMs, electionMs });
    await this.#standby.untilVacant();
    this.#standby = null;
  }

  async #reign(): Promise<void> {
    const { clock, turns, world, name } = this.#node;
    const { electionMs, leaseMs, beatMs } = this.#options.times;
    const peers = this.#peers;
    const timeoutMs = 0.6 * electionMs;
    const won = await takeOver({ peers, clock, writer: this.#writer, name, timeoutMs, resendMs: electionMs / 10 });
    world.note(`${name} has won epoch ${won.epoch}`);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#endReign = end;
    const journal = new QuorumJournal(
      {
        peers,
        clock,
        turns,
        wallMs: () => 0,
        salt: SALT,
        leaseMs,
        beatMs,
        cursorAt: () => null,
        framesInFlight: FRAMES_IN_FLIGHT,
        frameBytesMax: FRAME_BYTES_SOFT,
        settleTimeoutMs: SETTLE_TIMEOUT_MS,
        prepareZone: (zone, firstPosition) => this.#prepareZone(zone, firstPosition),
        laggardBytesMax: this.#options.laggardBytesMax,
        windowBytesMax: this.#options.windowBytesMax,
        listener: { onCommitted: (committed) => this.#onCommitted(committed), onFailed: () => end() },
      },
      won,
    );
    try {
      await journal.ready();
      await this.#replay(journal);
      this.#journal = journal;
      world.note(`${name} serves in epoch ${won.epoch} from revision ${this.writes.length} on`);
      this.#watchers.show(this.writes);
      await ended;
    } finally {
      this.#journal = null;
      this.#pending = [];
      await journal.close();
    }
  }

  /** As a start does: all that is committed is executed before anything is answered. */
  async #replay(journal: Journal): Promise<void> {
    this.writes = [];
    this.#values.clear();
    for (const write of this.#snapshot.writes) this.#apply(write);
    // It has not heard yet that it was fenced.
    if (this.writes.length > journal.committed)
      throw new JournalError("ERR_JOURNAL_FENCED", "there is a snapshot of a later reign");
    for await (const run of journal.read(this.writes.length + 1)) {
      for (let i = 0; i < run.count; i++) {
        // It is what was appended.
        const { key, value } = JSON.parse(run.bytes(i).toString()) as Write;
        this.#apply({ key, value, revision: run.first + i });
      }
    }
    assert(this.writes.length === journal.committed, "all that is committed was read");
  }

  #receive(message: object, from: Node): void {
    if ("zone" in message) {
      const answered = message as Answered; // Only replicas name a zone.
      this.#byZone.get(answered.zone)?.(answered);
      return;
    }
    const request = message as ClientRequest; // All others are clients.
    const { id } = request;
    const journal = this.#journal;
    if (request.kind === "watch") {
      this.#watchers.add(from, id, request.from);
      if (journal !== null) this.#watchers.show(this.writes);
    } else if (journal === null) {
      this.#send(from, { kind: "refused", id });
    } else if (request.kind === "put") {
      this.#put(journal, request.key, request.value, id, from);
    } else {
      const get = (): void => {
        const { value, revision } = this.#values.get(request.key) ?? { value: null, revision: 0 };
        this.#send(from, { kind: "answer", id, value, revision });
      };
      const isConfirmed = journal.confirm((failure) => {
        if (failure === null) get();
        else this.#send(from, { kind: "refused", id });
      });
      if (isConfirmed) get();
    }
  }

  #put(journal: Journal, key: string, value: string, id: number, client: Node): void {
    const padding = ".".repeat(this.#node.world.integer(0, PADDING_MAX));
    try {
      const revision = journal.append(Buffer.from(JSON.stringify({ key, value, padding })));
      this.#pending.push({ write: { key, value, revision }, id, client });
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      this.#send(client, { kind: "refused", id });
    }
  }

  #onCommitted(committed: number): void {
    const behind = this.#pending.findIndex(({ write }) => write.revision > committed);
    const done = this.#pending.splice(0, behind === -1 ? this.#pending.length : behind);
    for (const { write, id, client } of done) {
      this.#apply(write);
      this.#send(client, { kind: "answer", id, value: write.value, revision: write.revision });
    }
    this.#watchers.show(this.writes);
  }

  #apply(write: Write): void {
    assert(write.revision === this.writes.length + 1, "writes are executed in order");
    this.writes.push(write);
    this.#values.set(write.key, write);
  }

  #send(to: Node, answer: ServerAnswer): void {
    this.#network.send(this.#node, to, answer);
  }
}

function rotOf(rot: Rotten | null): Rot | null {
  return rot === null ? null : { ...rot, reason: new JournalError("ERR_JOURNAL_CORRUPT", rot.reason) };
}
