/**
 * The suites of etcd's own Go client that take any store: of its package concurrency (sessions, mutexes, elections, STM), and
 * the examples of its documentation. As they come they start an etcd in their own process; one file of each is replaced by
 * one that tells them where a store is.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { outcomesOf } from "../outcomes.ts";
import type { Suite } from "../suite.ts";
import { buildGoTests, fetchModule, go, runGoTests } from "./go.ts";

const VERSION = "v3.7.3";
const CONCURRENCY = "integration/clientv3/concurrency";
const EXAMPLES = "integration/clientv3/examples";

/** etcd's own modules, which in its repository lie beside that of the tests. */
const SIBLINGS = ["api", "cache", "client/pkg", "client", "etcdctl", "etcdutl", "pkg", "server"];

export const goClientv3: Suite = {
  name: "go-clientv3",
  version: `clientv3 ${VERSION}, concurrency and examples (Go module)`,
  tests: "its own",
  tools: ["go"],
  flags: () => ["--watch-progress-notify-interval=200ms"],
  leftOut: [
    {
      why: "of a cluster of three members, which they change",
      tests: ["memberList", "memberAdd", "memberAddAsLearner", "memberRemove", "memberUpdate"].map(
        (name) => `ExampleCluster_${name}`,
      ),
    },
  ],
  prepare: async (folder) => {
    await fetchModule(folder, "go.etcd.io/etcd/tests/v3", VERSION);
    await go(folder, "mod", "edit", ...SIBLINGS.map((name) => `-dropreplace=go.etcd.io/etcd/${name}/v3`));
    const write = (goPackage: string, name: string, more: string): Promise<void> =>
      writeFile(path.join(folder, "source", goPackage, "main_test.go"), mainOf(name, more));
    await write(CONCURRENCY, "concurrency_test", "");
    await write(EXAMPLES, "clientv3_test", TIMEOUTS);
    for (const goPackage of [CONCURRENCY, EXAMPLES]) await buildGoTests(folder, goPackage);
  },
  run: async (folder, store, log) => {
    const run = (goPackage: string): ReturnType<typeof runGoTests> =>
      runGoTests(goClientv3, folder, goPackage, store, log, { ENDPOINT: store.url });
    const outcomes = [await run(CONCURRENCY), await run(EXAMPLES)];
    return outcomesOf(
      true,
      outcomes.flatMap((each) => [...each]),
    );
  },
};

/** What the other files of the package ask it for. */
const mainOf = (name: string, more: string): string => `package ${name}

import (
	"os"
	"time"
)

func exampleEndpoints() []string { return []string{os.Getenv("ENDPOINT")} }

func forUnitTestsRunInMockedContext(_ func(), example func()) { example() }

var _ time.Duration
${more}`;

const TIMEOUTS = `
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 10 * time.Second
)
`;
