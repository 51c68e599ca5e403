/**
 * A store of several processes, as its clients see it: they go to the server that serves. Another one that begins to, be it
 * started again or a standby, is found by asking each that runs, all the time.
 */
import assert from "node:assert/strict";
import { kill } from "node:process";
import { rangeRequest } from "../../bench/client/requests.ts";
import { Subject } from "../guarantees/traffic/subject.ts";
import { tookRevision } from "../guarantees/checks/check-revisions.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";

const PATIENCE_MS = 30_000;
const PACE_MS = 15;
const LOOK_MS = 10;
/** In the last line of a server that ends because another one writes. */
const FENCED = "another writer";
/** What a server says of a replica. */
const FAILS = "a replica of the journal does not answer";
const ANSWERS = "a replica of the journal answers";

/** A server of the store. */
export interface Member {
  readonly name: string;
  readonly process: PlinthProcess;
  isRunning: boolean;
}

/** Where one replica of the journal is. */
export interface Zone {
  readonly name: string;
  readonly directory: string;
  /** Null when it is in the server's own process. */
  readonly process: PlinthProcess | null;
}

export class TestedStore extends Subject {
  readonly members: readonly Member[];
  readonly zones: readonly Zone[];
  #serving: Member | null = null;
  #isTroubled = false;
  #isRemoved = false;
  /** When what went wrong was made good, or what was to take over could; null when nobody has said so. */
  curedMs: number | null = null;
  /** Take-overs that the fault brings about, and those that came. */
  #asked = 0;
  #came = 0;
  /** Of the run that has been ended; null while one goes on. */
  #killedAt: number | null = null;
  /** When everything was well last. */
  #wellMs = performance.now();
  readonly #scouts: Promise<void>[];

  constructor(members: readonly Member[], zones: readonly Zone[]) {
    super({ patienceMs: PATIENCE_MS, paceMs: PACE_MS });
    this.members = members;
    this.zones = zones;
    this.#scouts = members.map((member) => this.#scout(member));
  }

  override get isTroubled(): boolean {
    return this.isDown || this.#isTroubled;
  }

  get serving(): Member {
    assert(this.#serving !== null, "one has served");
    return this.#serving;
  }

  protected get url(): string {
    return this.serving.process.url;
  }

  /** From now on calls may be lost. */
  beginTrouble(): void {
    this.#wellMs = performance.now();
    this.#isTroubled = true;
    this.recorder.beginTrouble();
  }

  endTrouble(): void {
    this.recorder.endTrouble();
    this.#isTroubled = false;
  }

  /** Whether a server took over that nobody had asked to: on a machine that gives another one no time for so long. */
  get isDisturbed(): boolean {
    return this.#came > this.#asked;
  }

  /** What is done now brings about that another server takes over. */
  askTakeOver(): void {
    this.#asked++;
  }

  /** From now on nothing stands in the way of writes any more. */
  cured(): void {
    this.curedMs = performance.now();
  }

  /** Resolves when somebody serves. */
  async served(): Promise<void> {
    await this.#until(() => !this.isDown, "nobody serves");
  }

  /** Resolves when another one than that serves. */
  async takenOver(from: Member): Promise<void> {
    await this.#until(() => !this.isDown && this.#serving !== from, `nobody takes over from ${from.name}`);
  }

  /** Resolves when a write was acknowledged that was sent after now. */
  async acknowledged(): Promise<void> {
    const sinceAt = this.recorder.tick();
    const { calls } = this.recorder.history();
    let seen = calls.length;
    const isAcknowledged = (): boolean => {
      for (; seen < calls.length; seen++) {
        if (calls[seen].invokedAt > sinceAt && tookRevision(calls[seen])) return true;
      }
      return false;
    };
    await this.#until(isAcknowledged, "no write is acknowledged");
  }

  /** Ends a server as a crash would, or politely. */
  async end(member: Member, how: "kill" | "stop" = "kill"): Promise<void> {
    assert(member.isRunning, "it runs");
    const isServing = member === this.#serving && !this.isDown;
    if (isServing) {
      this.askTakeOver();
      this.isDown = true;
      this.#killedAt = this.recorder.tick();
    }
    member.isRunning = false;
    await (how === "kill" ? member.process.kill() : member.process.stop());
    if (isServing) this.closeClients();
  }

  /** Starts a server that has ended, and resolves when it serves or waits as a standby. */
  async start(member: Member): Promise<void> {
    assert(!member.isRunning, "it does not run");
    const started = member.process.start();
    member.isRunning = true;
    await started;
  }

  /**
   * Resolves when a server has ended since another one writes.
   *
   * @throws when it ends otherwise, or does not
   */
  async fenced(member: Member): Promise<void> {
    const { name, process } = member;
    const ending = await process.untilEnded();
    const last = process.logLines.at(-1) ?? "";
    assert(last.includes(FENCED), `${name} ends as fenced, not with ${ending}: ${last}`);
    member.isRunning = false;
  }

  async endReplica(zone: string): Promise<void> {
    await this.#replica(zone).kill();
  }

  /** All that have a process of their own, in order. */
  async endReplicas(): Promise<void> {
    for (const { process } of this.zones) await process?.stop();
  }

  async startReplica(zone: string): Promise<void> {
    await this.#replica(zone).start();
  }

  freezeReplica(zone: string): void {
    kill(this.#replica(zone).pid, "SIGSTOP");
  }

  thawReplica(zone: string): void {
    kill(this.#replica(zone).pid, "SIGCONT");
  }

  /** Does something, and waits until the server has noticed that the replica of that zone does not answer. */
  async replicaFails(zone: string, strike: () => Promise<void> | void): Promise<void> {
    const from = this.serving.process.logLines.length;
    await strike();
    await this.#until(() => this.#said(zone, from).includes(false), `zone ${zone} is not found to fail`);
  }

  /** Does something, and waits until the replica of that zone answers. It may have begun to before, as one that is full does. */
  async replicaAnswers(zone: string, heal: () => Promise<void> | void): Promise<void> {
    await heal();
    await this.#until(() => this.#said(zone, 0).at(-1) === true, `zone ${zone} does not answer again`);
  }

  /** What each process has printed. */
  logs(): { readonly name: string; readonly lines: readonly string[] }[] {
    const logs = this.members.map(({ name, process }) => ({ name, lines: process.logLines }));
    for (const { name, process } of this.zones) if (process !== null) logs.push({ name, lines: process.logLines });
    return logs;
  }

  /** Ends everything. The data is the caller's. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    for (const { process } of this.members) await process.remove();
    await Promise.all(this.#scouts);
    for (const { process } of this.zones) await process?.remove();
  }

  async #scout(member: Member): Promise<void> {
    while (!this.#isRemoved) {
      const isElsewhere = member !== this.#serving || this.isDown;
      const etcd = member.isRunning && isElsewhere ? await this.#answering(member) : null;
      if (etcd !== null) await this.#found(member, etcd).catch(() => etcd.lean.destroy());
      await delay(LOOK_MS);
    }
  }

  /** A connection on which a linearizable read was answered, or null. */
  async #answering({ process }: Member): Promise<EtcdClient | null> {
    const etcd = await EtcdClient.connect(process.url).catch(() => null);
    if (etcd === null) return null;
    try {
      await etcd.range(rangeRequest("/"));
      return etcd;
    } catch {
      etcd.lean.destroy();
      return null;
    }
  }

  async #found(member: Member, etcd: EtcdClient): Promise<void> {
    await this.begin(etcd, this.#wellMs, () => {
      const { recorder } = this;
      if (recorder.runs > 0) {
        this.#came++;
        recorder.endRun(this.#killedAt ?? recorder.tick());
      }
      this.#killedAt = null;
      this.#serving = member;
      this.closeClients();
    });
  }

  #replica(zone: string): PlinthProcess {
    const found = this.zones.find(({ name }) => name === zone)?.process ?? null;
    assert(found !== null, "the zone's replica has a process of its own");
    return found;
  }

  /** What the server has said of a replica since it printed so many lines, in order: whether it answers. */
  #said(zone: string, from: number): boolean[] {
    const lines = this.serving.process.logLines.slice(from).filter((line) => line.includes(`"zone":"${zone}"`));
    return lines.flatMap((line) => (line.includes(FAILS) ? [false] : line.includes(ANSWERS) ? [true] : []));
  }

  async #until(isSo: () => boolean, otherwise: string): Promise<void> {
    for (const deadline = performance.now() + PATIENCE_MS; !isSo();) {
      if (performance.now() > deadline) throw new Error(`${otherwise} within ${PATIENCE_MS} ms`);
      await delay(LOOK_MS);
    }
  }
}
