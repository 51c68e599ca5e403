/**
 * Plinth and etcd side by side: both are given the same commands in the same order, one at a time, and must answer the
 * same. Both start empty, so that absolute revisions are equal for as long as they live.
 *
 * Watches are told asynchronously. `barrier` is where both have told everything: what came since the last one is compared
 * there. Commands whose outcome depends on what was told before (compaction, cancelling) begin with one.
 */
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { startEtcdStore, startPlinthStore } from "../support/stores.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE } from "../../proto/rare.ts";
import type { Command, UnaryCommand } from "./command.ts";
import { STREAMS } from "./command.ts";
import { Comparison } from "./compare.ts";
import type { Both } from "./freedoms.ts";
import { mayRecreate, ZERO_BYTE } from "./kv-arbitraries.ts";
import { Side } from "./side.ts";
import type { Answer } from "./side.ts";
import { leaseSlot, resolve } from "./symbols.ts";
import type { Meaning } from "./symbols.ts";
import { commandText, Transcript } from "./transcript.ts";
import { BARRIER_KEY, CatchUpProbe, StreamPair } from "./stream-pair.ts";

/** Small, so that generated txns come to the limit. */
export const TXN_OPS_MAX = 16;

/** Of Plinth and of etcd: the same, unless a difference is wanted. */
export type Flags = Both<readonly string[]>;

const COMMON_FLAGS = [
  `--max-txn-ops=${TXN_OPS_MAX}`,
  // Periodic progress depends on the time; it is tested elsewhere.
  "--watch-progress-notify-interval=1h",
  // For etcd, whose answers do not depend on it. Plinth is fast enough with it.
  "--unsafe-no-fsync",
];

export const FLAGS: Flags = [COMMON_FLAGS, COMMON_FLAGS];

/** The usual flags, with one changed for each. */
export function flagsWith(plinth: string, etcd = plinth): Flags {
  return [
    [...COMMON_FLAGS, plinth],
    [...COMMON_FLAGS, etcd],
  ];
}

/** Two answers that are not the same. The message is the transcript. */
export class Difference extends Error {
  override readonly name = "Difference";
}

export class Lockstep {
  readonly comparison = new Comparison();
  /** Commands taken so far, and how many of them were refused, by name. */
  readonly counts = new Map<string, { taken: number; refused: number }>();
  /** Commands that were asked for, without those that only serve to compare. */
  commands = 0;
  readonly #sides: Both<Side>;
  readonly #streams: (StreamPair | null)[] = Array.from({ length: STREAMS }, () => null);
  readonly #probe: CatchUpProbe;
  readonly #transcript = new Transcript();
  #revision = 1;
  #compactRevision = -1;
  readonly #compactions = new Set<number>();
  /** Revisions in which a key may have been deleted and put again. */
  readonly #recreations = new Set<number>();
  #hasRestarted = false;
  /** Whether the servers chose ids of leases in this sequence, and the revision up to which keys may have had such leases before. */
  #choosesLeases = false;
  #chosenLeasesTo = 0;
  #turn = 0;

  /** Starts both servers. */
  static async start(flags: Flags = FLAGS): Promise<Lockstep> {
    const stores = await Promise.all([startPlinthStore(flags[0]), startEtcdStore(flags[1])]);
    return new Lockstep(await Promise.all([Side.connect(stores[0]), Side.connect(stores[1])]));
  }

  private constructor(sides: Both<Side>) {
    this.#sides = sides;
    this.#probe = new CatchUpProbe(sides);
  }

  async remove(): Promise<void> {
    for (const side of this.#sides) side.close();
    await Promise.all(this.#sides.map((side) => side.store.remove()));
  }

  /**
   * Takes the commands of one sequence, on an empty keyspace with all of its history.
   *
   * @throws Difference
   */
  async run(commands: readonly Command[]): Promise<void> {
    this.#transcript.clear();
    await this.#clear();
    for (const command of commands) {
      this.commands++;
      await this.#take(command);
    }
    await this.#barrier();
    for (let i = 0; i < STREAMS; i++) this.#closeStream(i);
  }

  async #take(command: Command): Promise<void> {
    switch (command.name) {
      case "barrier":
        return this.#barrier();
      case "alarmed": {
        const { alarm, member, commands } = command;
        await this.#barrier();
        await this.#call({ name: "alarm", request: { action: ALARM_ACTION_ACTIVATE, alarm }, member });
        for (const each of commands) await this.#unary(each);
        await this.#call({ name: "alarm", request: { action: ALARM_ACTION_DEACTIVATE, alarm }, member });
        return;
      }
      case "expiring": {
        const { lease, commands } = command;
        await this.#call({ name: "grant", request: lease, slot: 0 });
        for (const each of commands) await this.#call(each);
        await this.#waited(Promise.all(this.#sides.map((side) => side.revoked(lease.ID))));
        // What the revocation did to the keys, and to the revision.
        return this.#call({ name: "range", request: rangeRequest(ZERO_BYTE, { rangeEnd: ZERO_BYTE }) });
      }
      case "restart":
        await this.#barrier();
        for (let i = 0; i < STREAMS; i++) this.#closeStream(i);
        await Promise.all(this.#sides.map((side) => side.restart(command.how)));
        this.#hasRestarted = true;
        this.#transcript.add(commandText(command), "", "");
        return this.#call({ name: "range", request: rangeRequest(ZERO_BYTE, { rangeEnd: ZERO_BYTE }) });
      case "watch":
        return this.#watch(command);
      case "unwatch": {
        const stream = this.#streams[command.stream];
        if (stream === null) return;
        await this.#barrier();
        const id = stream.idOf(command.which);
        stream.send({ case: "cancel", watchId: id });
        await this.#fenceAndCompare(stream, `${commandText(command)}, which has the id ${id}`);
        return;
      }
      case "progress": {
        const stream = this.#streams[command.stream];
        if (stream === null) return;
        await this.#barrier();
        stream.send({ case: "progress" });
        await this.#fenceAndCompare(stream, commandText(command));
        return;
      }
      case "nothing":
        this.#streams[command.stream]?.send({ case: "none" });
        return;
      case "close":
        if (this.#streams[command.stream] !== null) await this.#barrier();
        this.#closeStream(command.stream);
        return;
      case "compact":
        // What a watch is told of changes that are compacted meanwhile depends on who is first.
        if (this.#streams.some((stream) => stream !== null)) await this.#barrier();
        return this.#call(command);
      default:
        return this.#unary(command);
    }
  }

  /** A generated unary call. */
  async #unary(command: UnaryCommand): Promise<void> {
    // Before the server chooses another id for the slot, while the old one can still be named.
    if (command.name === "grant" && command.request.ID === 0n) {
      await this.#call({ name: "revoke", request: { ID: leaseSlot(command.slot) } });
    }
    return this.#call(command);
  }

  /** A unary call of both, compared. */
  async #call(command: UnaryCommand): Promise<void> {
    const sent = resolve(command, this.#meaning(this.#sides[1]));
    // See UNASKED in freedoms.ts.
    if (sent.name === "compact" && this.#recreations.has(sent.request.revision)) return;
    const turn = this.#turn++;
    const [plinth, etcd] = await Promise.all(
      this.#sides.map((side) => side.call(resolve(command, this.#meaning(side)), turn)),
    );
    this.#count(command.name, etcd);
    this.#transcript.add(commandText(sent), plinth, etcd);
    const question = {
      command: sent,
      compactions: this.#compactions,
      hasRestarted: this.#hasRestarted,
      hasChosenLeases: this.#choosesLeases || this.#compactRevision < this.#chosenLeasesTo,
    };
    if (!this.comparison.answers(question, plinth, etcd)) throw this.#difference();
    this.#learn(sent, etcd);
  }

  #learn(command: UnaryCommand, answer: Answer): void {
    if (!("ok" in answer)) return;
    const { header } = answer.ok as { header?: { revision: number } | null };
    // Some replies have no revision in their header (contract §4.2).
    if (header !== null && header !== undefined && header.revision > 0) this.#revision = header.revision;
    if (command.name === "txn" && mayRecreate(command.request)) this.#recreations.add(this.#revision);
    if (command.name === "grant" && command.request.ID === 0n) this.#choosesLeases = true;
    if (command.name !== "compact") return;
    this.#compactRevision = command.request.revision;
    this.#compactions.add(this.#compactRevision);
  }

  async #watch(command: Command & { name: "watch" }): Promise<void> {
    const stream = (this.#streams[command.stream] ??= await this.#openStream(command.stream));
    const request = resolve(command.request, this.#meaning(this.#sides[1]));
    this.#transcript.add(commandText({ ...command, request }), "", "");
    this.#count("watch", null);
    await this.#waited(stream.create(request, { revision: this.#revision, compactRevision: this.#compactRevision }));
  }

  async #openStream(connection: number): Promise<StreamPair> {
    const stream = new StreamPair(this.#sides, connection);
    this.#transcript.add(`stream ${connection} is opened`, "", "");
    await this.#waited(stream.begin());
    return stream;
  }

  #closeStream(number: number): void {
    this.#streams[number]?.close();
    this.#streams[number] = null;
  }

  /** Waits until both have told every watch everything, and compares it. */
  async #barrier(): Promise<void> {
    const open = this.#streams.filter((stream) => stream !== null);
    if (open.length === 0) return;
    if (open.some((stream) => stream.hasHistory)) await this.#waited(this.#probe.caughtUp(this.#revision));
    await this.#call({ name: "put", request: putRequest(BARRIER_KEY) });
    for (const stream of open) await this.#waited(stream.reached(this.#revision));
    for (const stream of open) await this.#compare(stream, "what watches were told");
  }

  /** Waits until both have taken what was sent on the stream and have answered it, and compares the answers. */
  async #fenceAndCompare(stream: StreamPair, what: string): Promise<void> {
    await this.#waited(stream.fence());
    await this.#call({ name: "put", request: putRequest(BARRIER_KEY) });
    await this.#waited(stream.reached(this.#revision));
    await this.#compare(stream, what);
  }

  async #compare(stream: StreamPair, what: string): Promise<void> {
    const found = await stream.compare(this.comparison, this.#revision);
    if (found === null) return;
    this.#transcript.add(`${what}: ${found.what}`, found.plinth, found.etcd);
    throw this.#difference();
  }

  /** Deletes all keys and leases. The revisions stay. */
  async #clear(): Promise<void> {
    for (let i = 0; i < STREAMS; i++) this.#closeStream(i);
    await this.#call({ name: "deleteRange", request: { key: ZERO_BYTE, rangeEnd: ZERO_BYTE, prevKv: false } });
    const ids = await this.#sides[1].leaseIds();
    for (const ID of ids) await this.#call({ name: "revoke", request: { ID } });
    if (this.#choosesLeases) this.#chosenLeasesTo = this.#revision;
    this.#choosesLeases = false;
  }

  #meaning(side: Side): Meaning {
    return { revision: this.#revision, compactRevision: this.#compactRevision, leases: side.leases };
  }

  #count(name: string, answer: Answer | null): void {
    const counts = this.counts.get(name) ?? { taken: 0, refused: 0 };
    counts.taken++;
    if (answer !== null && !("ok" in answer)) counts.refused++;
    this.counts.set(name, counts);
  }

  /** What one of the servers did not do in time is a difference, too. */
  async #waited(promise: Promise<unknown>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      this.#transcript.add(String(error), "", "");
      throw this.#difference();
    }
  }

  #difference(): Difference {
    return new Difference(`plinth and etcd differ\n${this.#transcript.toString()}`);
  }
}
