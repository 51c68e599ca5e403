/**
 * Runs once before the tests of a suite that needs real programs, and builds those that are not there yet, so that no
 * test's time limit pays for it. Where they are all there it says nothing and costs a few milliseconds.
 */
import type { TestProject } from "vitest/node";
import { ensurePeer, goMissingReason, peerBinary } from "../../bench/peers/build.ts";
import type { PeerName } from "../../bench/peers/sources.ts";

interface Needs {
  readonly peers: readonly PeerName[];
  /** How long two cores take over all of them, when go has compiled nothing yet. */
  readonly minutes: number;
}

/** By the names that the suites have in vitest.config.ts. */
const NEEDS: ReadonlyMap<string, Needs> = new Map([
  [
    "slow",
    {
      peers: [
        "etcd",
        "etcdctl",
        "etcdutl",
        "descriptors",
        "clientv3",
        "etcd-3.6",
        "etcd-3.5",
        "etcdutl-snapshot-3.6",
        "etcdutl-snapshot-3.5",
      ],
      minutes: 4,
    },
  ],
  ["kubernetes", { peers: ["etcd", "etcdctl", "kubectl", "kube-apiserver-1.37", "kube-apiserver-1.36"], minutes: 10 }],
]);

export default async function buildPeers({ name }: Pick<TestProject, "name">): Promise<void> {
  const needs = NEEDS.get(name);
  if (needs === undefined) throw new Error(`nothing is said of what the suite ${name} needs`);
  const missing = goMissingReason();
  if (missing !== null) {
    // Where a run is to prove something, nothing may look fine that did not run.
    if (process.env["PLINTH_REQUIRE_PEERS"] === "1") throw new Error(`PLINTH_REQUIRE_PEERS is 1, and ${missing}`);
    console.log(`The tests of the suite "${name}" against real programs are skipped: ${missing}.`);
    return;
  }
  const wanted = needs.peers.filter((peer) => peerBinary(peer) === null);
  if (wanted.length === 0) return;
  console.log(
    `Building what tests of the suite "${name}" compare with: ${wanted.join(", ")}. This happens once, ` +
      `and may take ${needs.minutes} minutes, on a busy machine a multiple, where go begins with nothing.`,
  );
  const startedMs = performance.now();
  const secondsPassed = (): number => Math.round((performance.now() - startedMs) / 1000);
  for (const peer of wanted) {
    await ensurePeer(peer);
    console.log(`${peer} is there after ${secondsPassed()} s.`);
  }
  console.log(`All is built, in ${secondsPassed()} s; the next run finds it.`);
}
