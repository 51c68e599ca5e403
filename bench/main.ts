/**
 * Runs benches and prints their reports.
 *
 *     node bench/main.ts [suites] [--seconds N] [--rounds N] [--small] [--out FOLDER]
 *     node bench/main.ts [lists] [backups] [snapshots] [keyspace] [start] [restart] [disk] [--keys N]
 *     node bench/main.ts kubernetes [--nodes N] [--preload SHARE] [--search-seconds N]
 *
 * Suites are `transport`, `kv`, `lists`, `backups`, `snapshots`, `isolation`, `partitions`, `journal`, `keyspace`, `start`, `restart`, `disk` and `kubernetes`; without
 * any named, all of them. With `--out` each report is also written to FOLDER/<suite>.md. All load stays on the loopback interface.
 *
 * `kubernetes` is a cluster of N nodes, of whose objects a SHARE of 1 or less is stored beforehand, and then of more and
 * of fewer nodes, for some N seconds, until it is known how many saturate the machine.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { benchIsolation } from "./isolation/isolation.ts";
import { benchPartitions } from "./isolation/partitions.ts";
import { benchJournal } from "./journal/journal.ts";
import { benchKeyspace } from "./keyspace/keyspace.ts";
import { benchKubernetes } from "./kubernetes/kubernetes.ts";
import { benchBackups } from "./kv/backups.ts";
import { benchDisk } from "./kv/disk.ts";
import { benchKv } from "./kv/kv.ts";
import { benchRestart } from "./kv/restart.ts";
import { benchSnapshots } from "./kv/snapshots.ts";
import { benchLists } from "./kv/lists.ts";
import { type BenchOptions, FULL, SMALL } from "./options.ts";
import { renderReport, type SuiteReport } from "./report.ts";
import { benchStart } from "./start/start.ts";
import { benchTransport } from "./transport/transport.ts";

const SUITES = new Map<string, (options: BenchOptions) => Promise<SuiteReport>>([
  ["transport", benchTransport],
  ["kv", benchKv],
  ["lists", benchLists],
  ["backups", benchBackups],
  ["snapshots", benchSnapshots],
  ["isolation", benchIsolation],
  ["partitions", benchPartitions],
  ["journal", benchJournal],
  ["keyspace", benchKeyspace],
  ["start", benchStart],
  ["restart", benchRestart],
  ["disk", benchDisk],
  ["kubernetes", benchKubernetes],
]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    rounds: { type: "string" },
    small: { type: "boolean", default: false },
    nodes: { type: "string" },
    preload: { type: "string" },
    "search-seconds": { type: "string" },
    keys: { type: "string" },
    out: { type: "string" },
  },
});
const base = values.small ? SMALL : FULL;
const options: BenchOptions = {
  ...base,
  seconds: positive("seconds", values.seconds) ?? base.seconds,
  rounds: Math.ceil(positive("rounds", values.rounds) ?? base.rounds),
  nodes: Math.ceil(positive("nodes", values.nodes) ?? base.nodes),
  preload: positive("preload", values.preload) ?? base.preload,
  searchSeconds: positive("search-seconds", values["search-seconds"]) ?? base.searchSeconds,
  keys: Math.ceil(positive("keys", values.keys) ?? base.keys),
};
const names = positionals.length > 0 ? positionals : [...SUITES.keys()];
const unknown = names.filter((name) => !SUITES.has(name));
if (unknown.length > 0) usage(`no suite ${unknown.join(", ")}; there are ${[...SUITES.keys()].join(", ")}`);

for (const name of names) {
  const run = SUITES.get(name);
  if (run === undefined) continue;
  const text = renderReport(await run(options), options, ["node bench/main.ts", ...process.argv.slice(2)].join(" "));
  process.stdout.write(`${text}\n`);
  if (values.out !== undefined) {
    await mkdir(values.out, { recursive: true });
    await writeFile(join(values.out, `${name}.md`), text);
  }
}

function positive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!(value > 0)) usage(`--${name} must be a number above 0`);
  return value;
}

function usage(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
