/** The calls of all apiservers to one server: what they preload, what they do in a run, and what must be there after it. */

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { LatencyHistogram } from "../client/latency-histogram.ts";
import { LeanClient } from "../client/lean-client.ts";
import { currentRevision } from "../kv/revision.ts";
import { Apiserver, ErrorTexts } from "./apiserver.ts";
import { type Arrivals, EvenArrivals, PoissonArrivals } from "./arrivals.ts";
import { monotonicMs } from "./clock.ts";
import { Compactor } from "./compactor.ts";
import { EventLeases } from "./event-leases.ts";
import type { Written } from "./compare-events.ts";
import { type KindFigures, MeasuredKind, type Times, timesOf, type Window } from "./measured-kind.ts";
import { ObjectTable } from "./object-table.ts";
import { Pods } from "./pods.ts";
import { preload } from "./preload.ts";
import { Random } from "./random.ts";
import { get, listPages } from "./reads.ts";
import { runArrivals } from "./run-arrivals.ts";
import * as scale from "./scale.ts";
import { type Verified, verifyTables } from "./verify.ts";
import { type LeasingApiserver, Writes } from "./writes.ts";

const SEEDS = { leases: 1, statuses: 2, gets: 3, pods: 4 };
const DRAIN_MILLISECONDS_MAX = 120_000;
const DRAIN_POLL_MILLISECONDS = 2;

/** A run in which so many operations wait is given up. */
const OPEN_MAX = 300_000;

/** kube-apiserver's; shorter runs have two of them. */
const COMPACTION_MILLISECONDS = 300_000;

export interface State {
  readonly nodes: number;
  readonly preload: number;
}

export interface Stored {
  readonly objects: number;
  /** Of values. */
  readonly bytes: number;
  readonly revision: number;
}

export interface Run {
  readonly nodes: number;
  readonly beginMs: number;
  readonly window: Window;
}

export interface CallersFigures {
  readonly kinds: readonly KindFigures[];
  /** Of all kinds that write objects. */
  readonly writes: Times;
  /** How long after it was meant to begin an operation was sent. */
  readonly sentLate: Times;
  /** How much later than asked its timers came. */
  readonly timerLate: Times;
  /** More waited than a run may have. */
  readonly gaveUp: boolean;
  /** At which all writes are done. */
  readonly revision: number;
  readonly written: readonly Written[];
  readonly errors: readonly string[];
}

export class Callers {
  readonly #apiservers: readonly LeasingApiserver[];
  readonly #compactors: readonly Compactor[];
  readonly #errors: ErrorTexts;
  readonly #writes: Writes;
  readonly #leases = new Random(SEEDS.leases);
  readonly #statuses = new Random(SEEDS.statuses);
  readonly #gets = new Random(SEEDS.gets);
  readonly #tables: Readonly<Record<scale.ResourceName, ObjectTable>>;
  readonly #pods: Pods;
  #bytes = 0;
  /** The nodes whose turn it is. */
  #nextLease = 0;
  #nextStatus = 0;
  #nextList = 0;

  static async connect(url: string): Promise<Callers> {
    const clients: LeanClient[] = [];
    while (clients.length < scale.APISERVERS) clients.push(await LeanClient.connect(url));
    return new Callers(clients);
  }

  private constructor(clients: readonly LeanClient[]) {
    this.#errors = new ErrorTexts();
    this.#apiservers = clients.map((client) => ({
      apiserver: new Apiserver(client, this.#errors),
      leases: new EventLeases(client),
    }));
    this.#compactors = this.#apiservers.map(({ apiserver }) => new Compactor(apiserver));
    this.#writes = new Writes(this.#apiservers);
    const table = (name: scale.ResourceName): ObjectTable => new ObjectTable(scale.RESOURCES[name]);
    this.#tables = {
      leases: table("leases"),
      nodes: table("nodes"),
      pods: table("pods"),
      events: table("events"),
      endpointslices: table("endpointslices"),
      widgets: table("widgets"),
      configmaps: table("configmaps"),
    };
    const { pods, events, endpointslices, widgets } = this.#tables;
    this.#pods = new Pods(this.#writes, { pods, events, others: [endpointslices, widgets] }, SEEDS.pods);
  }

  get #client(): LeanClient {
    return this.#apiservers[0].apiserver.client;
  }

  /** Puts what a cluster of so many nodes has, as far as it is not there already. */
  async store({ nodes, preload: share }: State): Promise<Stored> {
    let objects = 0;
    for (const table of Object.values(this.#tables)) {
      this.#bytes += await preload(table, scale.objectsOf(table.resource, nodes, share), this.#writes);
      objects += table.countExisting();
    }
    return { objects, bytes: this.#bytes, revision: await currentRevision(this.#client) };
  }

  async run({ nodes, beginMs, window }: Run): Promise<CallersFigures> {
    const writes = new LatencyHistogram();
    const sentLate = new LatencyHistogram();
    const timerLate = new LatencyHistogram();
    const write = (name: string): MeasuredKind => new MeasuredKind(name, window, writes);
    const ofPods = {
      create: write("pod create"),
      bind: write("pod bind"),
      status: write("pod status"),
      delete: write("pod delete"),
      event: write("event create"),
      other: write("other update"),
    };
    const [lease, node] = [write("lease update"), write("node status")];
    const reads = ["get", "list page", "compaction"].map((name) => new MeasuredKind(name, window));
    const kinds = [lease, node, ...Object.values(ofPods), ...reads];
    for (const { apiserver } of this.#apiservers) apiserver.startedLate = sentLate;
    for (const table of Object.values(this.#tables)) table.reset();
    const arrivals = [
      ...this.#ofNodes(nodes, beginMs, lease, node),
      ...this.#pods.arrivals(beginMs, scale.perSecond(scale.POD_CREATES, nodes), ofPods),
      ...this.#ofReads(nodes, beginMs, window, reads),
    ];
    const open = (): number => kinds.reduce((sum, kind) => sum + kind.open, 0);
    let gaveUp = false;
    await runArrivals(arrivals, window.untilMs, timerLate, () => !(gaveUp ||= open() > OPEN_MAX));
    await this.#drain(open);
    return {
      kinds: kinds.map((kind) => kind.figures()),
      writes: timesOf(writes),
      sentLate: timesOf(sentLate),
      timerLate: timesOf(timerLate),
      gaveUp,
      revision: await currentRevision(this.#client),
      written: Object.values(this.#tables).map(({ resource, fingerprint, uncertainWrites }) => ({
        prefix: resource.prefix,
        uncertain: uncertainWrites,
        ...fingerprint.value(),
      })),
      errors: this.#errors.list(),
    };
  }

  verify(): Promise<Verified> {
    return verifyTables(this.#client, Object.values(this.#tables));
  }

  /** All nodes one after the other, so that each comes about as often. */
  #ofNodes(nodes: number, beginMs: number, lease: MeasuredKind, status: MeasuredKind): Arrivals[] {
    const tables = this.#tables;
    const rate = (of100k: number): number => scale.perSecond(of100k, nodes);
    return [
      new PoissonArrivals(beginMs, rate(scale.LEASE_UPDATES), this.#leases, (ms) => {
        this.#nextLease = (this.#nextLease + 1) % nodes;
        this.#writes.update(lease, tables.leases, this.#nextLease, scale.LEASE_BYTES, ms);
      }),
      new PoissonArrivals(beginMs, rate(scale.NODE_STATUSES), this.#statuses, (ms) => {
        this.#nextStatus = (this.#nextStatus + 1) % nodes;
        this.#writes.update(status, tables.nodes, this.#nextStatus, scale.nodeBytes(this.#nextStatus), ms);
      }),
    ];
  }

  /** Reads, and the compaction, which is nothing like a write of an object. */
  #ofReads(nodes: number, beginMs: number, { fromMs, untilMs }: Window, kinds: readonly MeasuredKind[]): Arrivals[] {
    const [single, list, compaction] = kinds;
    const compactEveryMs = Math.min(COMPACTION_MILLISECONDS, (untilMs - fromMs) / 2);
    const read = [this.#tables.nodes, this.#tables.pods, this.#tables.configmaps];
    const listed = Object.values(scale.RESOURCES);
    return [
      new PoissonArrivals(beginMs, scale.perSecond(scale.GETS, nodes), this.#gets, (ms) => {
        const table = read[this.#gets.below(read.length)];
        get(this.#writes.turn().apiserver, single, table, this.#gets.below(table.length), ms);
      }),
      new EvenArrivals(fromMs, 1_000 / scale.perSecond(scale.LISTS, nodes), (ms) => {
        this.#nextList = (this.#nextList + 1) % listed.length;
        listPages(this.#writes.turn().apiserver, list, listed[this.#nextList], ms);
      }),
      new EvenArrivals(fromMs + compactEveryMs / 2, compactEveryMs, (ms) => {
        for (const compactor of this.#compactors) compactor.run(compaction, ms);
      }),
    ];
  }

  async #drain(open: () => number): Promise<void> {
    const untilMs = monotonicMs() + DRAIN_MILLISECONDS_MAX;
    while (open() > 0) {
      assert(monotonicMs() < untilMs, "what was asked is answered in the end");
      await pause(DRAIN_POLL_MILLISECONDS);
    }
  }
}
