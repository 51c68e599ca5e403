/**
 * Vitess keeps its topology in etcd; its tests start one by themselves, also over mutual TLS, and vtctldclient as a user of it.
 * One of them puts certificates into what it gives etcd as a data directory; Plinth takes only an empty one, so both get one
 * in there.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { freePort } from "../../../bench/peers/peer-process.ts";
import { outcomesOf } from "../outcomes.ts";
import type { Outcomes } from "../outcomes.ts";
import type { Suite } from "../suite.ts";
import { buildGoTests, fetchModule, go, runGoTests } from "./go.ts";

const VERSION = "v0.24.4";
const PACKAGE = "go/vt/topo/etcd2topo";
const TESTS = [
  "TestEtcd2TLS",
  "TestEtcd2Topo",
  "TestEtcd2TopoGetTabletsPartialResults",
  "TestEtcd2TopoServerClosed",
  "TestWatchTopoVersion",
];

export const goVitess: Suite = {
  name: "go-vitess",
  version: `Vitess ${VERSION}, etcd2topo (Go module)`,
  tests: "its own",
  tools: ["go"],
  flags: null,
  leftOut: [],
  prepare: async (folder) => {
    await fetchModule(folder, "vitess.io/vitess", VERSION);
    const file = path.join(folder, "source", PACKAGE, "server_test.go");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll('"-data-dir", dataDir', '"-data-dir", path.Join(dataDir, "data")'));
    await buildGoTests(folder, PACKAGE);
    await go(folder, "build", "-o", path.join(folder, "tests", "vtctldclient"), "./go/cmd/vtctldclient");
  },
  run: async (folder, store, log) => {
    const env = { VTPORTSTART: String(await freePort()) };
    const outcomes: Outcomes[] = [];
    // One that fails may end the process, and the others with it.
    for (const test of TESTS) outcomes.push(await runGoTests(goVitess, folder, PACKAGE, store, log, env, test));
    return outcomesOf(
      true,
      outcomes.flatMap((each) => [...each]),
    );
  },
};
