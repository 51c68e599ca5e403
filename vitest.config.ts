/**
 * Three suites of tests. `npm run test:quick` runs the first one, `npm test` runs all; a path runs what is below it:
 * `npx vitest run test/contract/watch`.
 */
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

/**
 * The mark of what takes its time: because it runs real programs, kills processes, or draws many random cases. Whole
 * folders are named here; a single file elsewhere says so in its name.
 */
const SLOW = ["test/{contract,etcd}/**/*.test.ts", "test/**/*.slow.test.ts"];

/** Slow too, and the only ones that need kube-apiserver, which takes minutes to build. */
const KUBERNETES = ["test/kubernetes/**/*.slow.test.ts"];

const BUILD_PEERS = "./test/support/build-peers.ts";

export default defineConfig({
  test: {
    environment: "node",
    // A process per file: tests kill, lock and measure, and one file's crash must not take others along.
    pool: "forks",
    // A third of a file's time, and more of a slow one's, is spent waiting for clocks, disks and other programs: on two cores three
    // files at a time keep both busy.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // Of those in one file that say that they may run beside one another.
    maxConcurrency: 3,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // What is waited for happens at once on a machine of its own, and takes its time on a busy one.
    expect: { poll: { timeout: 20_000 } },
    reporters: ["default", "./test/count-reporter.ts"],
    projects: [
      { extends: true, test: { name: "quick", include: ["test/**/*.test.ts"], exclude: SLOW } },
      { extends: true, test: { name: "slow", include: SLOW, exclude: KUBERNETES, globalSetup: BUILD_PEERS } },
      { extends: true, test: { name: "kubernetes", include: KUBERNETES, globalSetup: BUILD_PEERS } },
    ],
  },
});
