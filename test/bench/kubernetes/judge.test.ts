/** When a machine bears a cluster, and when nothing can be said of the server. */

import { availableParallelism } from "node:os";

import { expect, it } from "vitest";

import type { Times } from "../../../bench/kubernetes/measured-kind.ts";
import { type Cpu, judge, type Round } from "../../../bench/kubernetes/round.ts";

interface Case {
  readonly reached?: number;
  readonly writeP99?: number;
  readonly lagP99?: number;
  readonly lost?: number;
  readonly gaveUp?: boolean;
  readonly cpu?: Partial<Cpu>;
}

function times(p99: number): Times {
  return { p50: p99 / 2, p99, p999: p99, max: p99 };
}

/** A round of 1,000 writes asked for in which all is well but what the case says. */
function round({
  reached = 1_000,
  writeP99 = 5,
  lagP99 = 5,

  lost = 0,
  gaveUp = false,
  cpu,
}: Case): Round {
  const kind = { name: "lease update", isWrite: true, asked: 1_000, errors: 0, ...times(5) };
  const read = { ...kind, name: "get", isWrite: false, reached: 0 };
  return {
    nodes: 1_000,
    stored: { objects: 1, bytes: 1, revision: 1 },
    seconds: 1,
    calls: {
      kinds: [{ ...kind, reached }, read],
      writes: times(writeP99),
      sentLate: times(1),
      timerLate: times(1),
      gaveUp,
      revision: 1,
      written: [],
      errors: [],
    },
    watch: {
      consistentLists: read,
      streams: 1,
      lag: times(lagP99),
      timerLate: times(1),
      events: 1,
      lost,
      seen: [],
      wrong: [],
    },
    cpu: { server: 0.5, callers: 0.2, watchers: 0.2, others: 0.1, ...cpu },
    residentBytes: 1,
    wrong: [],
  };
}

it("a machine bears a cluster when writes are answered in time, and events come", () => {
  expect(judge(round({}))).toBe("bears");
  expect(judge(round({ reached: 981, writeP99: 49, lagP99: 999 }))).toBe("bears");
  // That others work and the load has much to do is no harm while all is in time.
  expect(judge(round({ cpu: { callers: 0.95, others: 1 } }))).toBe("bears");
});

it.each<[string, Case]>([
  ["writes that are not answered in time", { reached: 979 }],
  ["writes that take long", { writeP99: 51 }],
  ["events that come late", { lagP99: 1_001 }],
  ["a watch that is lost", { lost: 1 }],
  ["more waiting than a run may have", { gaveUp: true }],
])("%s say that the machine is saturated", (_, given) => {
  expect(judge(round(given))).toBe("saturated");
});

it("a load that has used its core up says nothing of the server, and neither does a machine that others use", () => {
  expect(judge(round({ reached: 500, cpu: { callers: 0.95 } }))).toBe("load");
  expect(judge(round({ lagP99: 2_000, cpu: { watchers: 0.95 } }))).toBe("load");
  expect(judge(round({ reached: 500, cpu: { others: 0.5 } }))).toBe("others");
  // Others had little, and server and load all the rest.
  expect(judge(round({ reached: 500, cpu: { others: 0.3, server: availableParallelism() } }))).toBe("saturated");
});
