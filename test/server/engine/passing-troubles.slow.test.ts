/** The engine over a real journal whose disk has troubles that begin and pass: what became of each write that it was given. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { openDirectoryStore } from "../../../journal/directory-journal.ts";
import type { JournalStore } from "../../../journal/journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { systemTime } from "../../../server/clock.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { Reigns } from "../../../server/engine/reigns.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { diskTroubles, makeTroubles } from "../../sim/disk-troubles.ts";
import { ImpatientClock } from "../../sim/impatient-clock.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { newEngine } from "../../support/engines.ts";

interface Member {
  readonly engine: Engine;
  readonly reigns: Reigns;
  readonly lost: Error[];
}

/** An engine that has begun its first reign over the disk, as often as that takes. */
async function begin(disk: SimulatedDisk): Promise<Member> {
  const clock = new ImpatientClock(0.01);
  const logger = createLogger({ level: "fatal", format: "json" }, new LogLines());
  const lost: Error[] = [];
  const common = { clock, logger, onBegun: () => Promise.resolve(), takesOver: false };
  const openStore = (): Promise<JournalStore> =>
    openDirectoryStore({ ...systemTime, clock, directory: "/journal", segmentBytes: 8192, disk });
  for (;;) {
    const engine = newEngine({ clock, onJournalFailed: (error) => reigns.onFailed(error) });
    const reigns: Reigns = new Reigns({ ...common, engine, openStore, onLost: (error) => lost.push(error) });
    try {
      await reigns.begin();
      return { engine, reigns, lost };
    } catch (error) {
      // A start that fails of it is tried again by a supervisor.
      if (!(error instanceof JournalError && error.isPassing)) throw error;
      await reigns.close();
    }
  }
}

function countOf(engine: Engine, key: string): number {
  const response = engine.keyspace.range(rangeRequest(key));
  if (response instanceof Refusal) throw new Error(response.message);
  return response.count;
}

async function untilAnswered({ applier }: Engine): Promise<void> {
  while (applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

type Outcome = "refused" | "acknowledged" | "unknown";

/** Proposes a put of the key; calls back with what became of it. */
function put(engine: Engine, key: string, valueBytes: number, tell: (outcome: Outcome) => void): void {
  const request = putRequest(key, Buffer.alloc(valueBytes, 0x76));
  const refused = engine.proposer.propose(PUT, request, recordOf(PUT, PUT.encode(request)), {
    onApplied: (outcome) => {
      expect(outcome).not.toBeInstanceOf(Refusal);
      tell("acknowledged");
    },
    onLost: () => tell("unknown"),
  });
  if (refused !== null) tell("refused");
}

test("after every trouble that passes writes go on; none that was acknowledged is lost, none that was refused is there", async () => {
  const runs = Number(process.env["PROPERTY_RUNS"] ?? 60);
  let reigns = 0;
  let unknown = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), diskTroubles, fc.boolean(), async (seed, drawn, losesPower) => {
      const random = seededRandom(seed);
      const outcomes = new Map<string, Outcome>();
      const queue = [...drawn];
      let disk = new SimulatedDisk(random);
      disk.inject = makeTroubles(queue);
      const member = await begin(disk);
      const { engine } = member;
      // Calm is when the troubles are over and writes are acknowledged again.
      for (let calm = 0; calm < 10;) {
        const key = `key-${outcomes.size}`;
        outcomes.set(key, "unknown");
        put(engine, key, Math.floor(random() * 1_200), (outcome) => {
          outcomes.set(key, outcome);
          if (outcome === "acknowledged") expect(countOf(engine, key)).toBe(1);
        });
        const isOver = queue.length === 0;
        await new Promise((resolve) => setImmediate(resolve));
        if (isOver) await untilAnswered(engine);
        if (isOver && outcomes.get(key) === "acknowledged") calm++;
        expect(member.lost).toEqual([]);
      }
      reigns += engine.counters.leaderChanges;
      expect(engine.proposer.isWritable).toBe(true);
      engine.keyspace.verify();
      if (losesPower) {
        disk.crash();
        disk = disk.restart("power");
        engine.stop();
      } else {
        await member.reigns.close();
      }
      const next = await begin(disk);
      expect(next.engine.keyspace.revision).toBeGreaterThanOrEqual(engine.keyspace.revision);
      for (const [key, outcome] of outcomes) {
        const count = countOf(next.engine, key);
        if (outcome === "acknowledged") expect([key, count]).toEqual([key, 1]);
        else if (outcome === "refused") expect([key, count]).toEqual([key, 0]);
        else unknown++;
        // What one showed the other shows as well.
        if (countOf(engine, key) === 1) expect([key, count]).toEqual([key, 1]);
      }
      next.engine.keyspace.verify();
      await next.reigns.close();
    }),
    { numRuns: runs },
  );
  // Troubles that no engine notices would prove nothing.
  expect(reigns).toBeGreaterThan(runs + runs / 10);
  expect(unknown).toBeGreaterThan(runs / 5);
}, 300_000);
