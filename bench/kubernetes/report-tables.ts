/** The report of the mix: kinds of operations, what watchers saw and what the servers cost, and the search. */

import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, type SuiteReport, type Table } from "../report.ts";
import { median } from "../statistics.ts";
import type { KindFigures } from "./measured-kind.ts";
import { judge, type Round, totals } from "./round.ts";
import { APISERVERS } from "./scale.ts";
import type { Verified } from "./verify.ts";

const VERDICTS = { bears: "bears", saturated: "saturated", load: "load was the limit", others: "others had cores" };

/** What was found of one contender. */
export interface Found {
  readonly name: string;
  readonly rounds: readonly Round[];
  /** The rounds of the search, and what it came to. */
  readonly tries: readonly Round[];
  readonly outcome: string;
  readonly verified: Verified;
  /** Of objects and of events. */
  readonly wrong: readonly string[];
}

export function reportOf(found: readonly Found[], versions: readonly string[], options: BenchOptions): SuiteReport {
  return {
    name: "kubernetes",
    question:
      `How does Plinth serve ${APISERVERS} kube-apiservers of a cluster with ${formatCount(options.nodes)} nodes, and how many ` +
      "nodes does this machine bear? Operations come when the cluster brings them, whether the last was answered or not, and " +
      "their time counts from then.",
    versions,
    ...kindsTable(found),
    more: new Map([
      ["What watchers saw, and what it costs:", serversTable(found)],
      ["How many nodes this machine bears:", searchTable(found)],
    ]),
    notes: [
      ...found.map(({ name, outcome }) => `${name}: ${outcome}`),
      ...found.map(correctnessNote),
      ...found.flatMap(({ name, rounds, tries }) => {
        const texts = new Set([...rounds, ...tries].flatMap(({ calls }) => calls.errors));
        return [...texts].map((text) => `${name}, an error: ${text}`);
      }),
      "saturated: less than 98 % of the writes asked for are answered in time, or the p99 of writes is above 50 ms, or that " +
        "of the watches' lag above 1 s, or a watch is lost: what it had still to tell was compacted. " +
        "Not when a process of the load took more than 0.9 of a core, nor when others had more than a quarter of one while server and load " +
        "left some",
      "a second of 100,000 nodes, and in proportion of fewer: 10,000 leases renewed, 333 statuses of nodes (a tenth of them " +
        "large), 500 pods that come and as many that go, each with 3 statuses, 4 events and a change of another object, 1,000 " +
        "reads of one object, 40 lists of up to 5 pages of 500, 500 consistent lists",
      "a consistent list: the apiserver reads the store's revision and waits until its watch has told of it, asking for " +
        "progress every 100 ms; a compaction: all apiservers ask, one compacts to the revision of the time before, twice in a " +
        "round or every 5 minutes; events hang on leases, 1,000 on each",
      "preloaded, a node: itself, its lease, and of all or as much as `--preload` or the machine allows: 9 pods, 17 events, 9 " +
        "custom objects, an EndpointSlice, a ConfigMap; the same servers go through all rounds, and keep what came",
      "lag: from when a write was meant to begin to when its event was read; deletions tell no time. Each apiserver watches " +
        "each resource, and 73 that have no objects, on streams of their own, with previous values",
      "sent late: p99 of the time from when an operation was meant to begin to when it was sent, waiting for a timer of a " +
        "millisecond and for one of the 500 calls that a connection may have open; timers late: p99 of what the load waited for a core",
      "servers and the load, which is two processes, share the machine's cores: waiting for a core is in all figures",
    ],
  };
}

function correctnessNote({ name, verified: { objectsRead, uncertain }, rounds, tries, wrong }: Found): string {
  const events = [...rounds, ...tries].reduce(
    (sum, { watch }) => sum + watch.seen.reduce((all, { events: { count } }) => all + count, 0),
    0,
  );
  const what = `${formatCount(objectsRead)} objects read back, and ${formatCount(events)} events`;
  const failed = uncertain === 0 ? "" : `; of ${formatCount(uncertain)} others the last write failed`;
  return wrong.length === 0
    ? `${name}: ${what}: every acknowledged write as it was left, and seen by each watch exactly once and in order${failed}`
    : `${name}: WRONG: ${[...new Set(wrong)].join("; ")} (${what}${failed})`;
}

function kindsTable(found: readonly Found[]): Table {
  const [first] = found;
  const names = kindsOf(first.rounds[0]).map(({ name }) => name);
  return {
    columns: ["operation", "server", "asked/s", "reached/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "errors"],
    rows: names.flatMap((name, kind) =>
      found.map((each) => [name, each.name, ...kindCells(each.rounds, (round) => kindsOf(round)[kind])]),
    ),
  };
}

function kindsOf({ calls, watch }: Round): readonly KindFigures[] {
  return [...calls.kinds, watch.consistentLists];
}

function kindCells(rounds: readonly Round[], of: (round: Round) => KindFigures): string[] {
  const kinds = rounds.map(of);
  const perSecond = (value: (kind: KindFigures) => number): string =>
    formatRate(median(rounds.map((round) => value(of(round)) / round.seconds)));
  return [
    perSecond((kind) => kind.asked),
    perSecond((kind) => kind.reached),
    ...timeCells(kinds),
    formatCount(kinds.reduce((sum, kind) => sum + kind.errors, 0)),
  ];
}

/** Medians of the rounds that have any, and the highest of all. */
function timeCells(all: readonly { p50: number; p99: number; p999: number; max: number }[]): string[] {
  const some = all.filter(({ max }) => !Number.isNaN(max));
  if (some.length === 0) return ["", "", "", ""];
  const values = [
    median(some.map(({ p50 }) => p50)),
    median(some.map(({ p99 }) => p99)),
    median(some.map(({ p999 }) => p999)),
    Math.max(...some.map(({ max }) => max)),
  ];
  return values.map((value) => formatNumber(value, 1));
}

function serversTable(found: readonly Found[]): Table {
  return {
    columns: [
      "server",
      "writes/s",
      "write p99 ms",
      "events/s",
      "lag p50 ms",
      "lag p99 ms",
      "lag p99.9 ms",
      "lag max ms",
      "watches lost",
      "CPU, cores",
      "RSS MB",
      "callers' CPU",
      "watchers' CPU",
      "others' CPU",
      "timers late ms",
      "sent late ms",
      "preloaded",
      "MB",
    ],
    rows: found.map(({ name, rounds }) => {
      const of = (value: (round: Round) => number): number => median(rounds.map(value));
      const number = (decimals: number, value: (round: Round) => number): string => formatNumber(of(value), decimals);
      return [
        name,
        formatRate(of((round) => totals(round.calls).reached / round.seconds)),
        number(1, ({ calls }) => calls.writes.p99),
        formatRate(of((round) => round.watch.events / round.seconds)),
        ...timeCells(rounds.map(({ watch }) => watch.lag)),
        formatCount(rounds.reduce((sum, { watch }) => sum + watch.lost, 0)),
        number(2, ({ cpu }) => cpu.server),
        formatCount(of((round) => round.residentBytes) / 1e6),
        number(2, ({ cpu }) => cpu.callers),
        number(2, ({ cpu }) => cpu.watchers),
        number(2, ({ cpu }) => cpu.others),
        number(1, ({ calls, watch }) => Math.max(calls.timerLate.p99, watch.timerLate.p99)),
        number(1, ({ calls }) => calls.sentLate.p99),
        formatCount(rounds[0].stored.objects),
        formatCount(rounds[0].stored.bytes / 1e6),
      ];
    }),
  };
}

function searchTable(found: readonly Found[]): Table {
  return {
    columns: [
      "server",
      "nodes",
      "writes asked/s",
      "reached/s",
      "write p99 ms",
      "lag p99 ms",
      "events out/s",
      "watches lost",
      "store's cores",
      "callers",
      "watchers",
      "others",
      "stored MB",
      "verdict",
    ],
    rows: found.flatMap(({ name, rounds, tries }) =>
      [...rounds, ...tries].map((round) => {
        const { asked, reached } = totals(round.calls);
        return [
          name,
          formatCount(round.nodes),
          formatRate(asked / round.seconds),
          formatRate(reached / round.seconds),
          formatNumber(round.calls.writes.p99, 1),
          formatNumber(round.watch.lag.p99, 1),
          formatRate(round.watch.events / round.seconds),
          formatCount(round.watch.lost),
          formatNumber(round.cpu.server, 2),
          formatNumber(round.cpu.callers, 2),
          formatNumber(round.cpu.watchers, 2),
          formatNumber(round.cpu.others, 2),
          formatCount(round.stored.bytes / 1e6),
          VERDICTS[judge(round)],
        ];
      }),
    ),
  };
}

/** Small rates are of a few a minute. */
function formatRate(value: number): string {
  return value < 100 ? formatNumber(value, 1) : formatCount(value);
}
