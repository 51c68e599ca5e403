/**
 * The order of files that leaves no worker alone at the end: what takes longest begins first, and what takes no time comes last.
 * Vitest knows how long a file took from the run before, and a clean clone has none.
 */
import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

/** Those of twenty seconds and more, the longest first. */
export const LONGEST: readonly string[] = [
  "test/kubernetes/kubernetes.slow.test.ts",
  "test/bench/bench.slow.test.ts",
  "test/faults/faults.slow.test.ts",
  "test/contract/slow-reader.test.ts",
  "test/simulation/mutations.slow.test.ts",
  "test/server/replicas.slow.test.ts",
  "test/server/whole-store.slow.test.ts",
  "test/server/own-zones.slow.test.ts",
  "test/server/far-snapshots.slow.test.ts",
  "test/contract/etcdctl-transcripts.test.ts",
  "test/contract/idle.test.ts",
  "test/guarantees/guarantees.slow.test.ts",
  "test/server/memory-limit.slow.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- It is the sequencer's, which gives another array.
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId, project }: TestSpecification): number {
  const at = LONGEST.findIndex((path) => moduleId.endsWith(`/${path}`));
  if (at >= 0) return at;
  return project.name === "quick" ? LONGEST.length + 1 : LONGEST.length;
}
