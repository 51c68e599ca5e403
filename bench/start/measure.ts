/** Starts an engine on the journal in a directory, as a server does, and tells its starter how long that took (start.ts). */

import assert from "node:assert/strict";

import { openJournalStore } from "../../journal/zones-journal.ts";
import { BlockPool, systemBlocks } from "../../partitions/store/block-pool.ts";
import { systemClock, systemTime } from "../../server/clock.ts";
import { DEFAULT_PARTITIONS } from "../../server/config/partition-settings.ts";
import { Engine } from "../../server/engine/engine.ts";
import { PreparedBlocks } from "../../server/host/prepared-blocks.ts";
import { zonesIn } from "./make.ts";

/** What a start took. */
export interface Start {
  readonly records: number;
  readonly keys: number;
  /** Until it was known that the journal is whole. */
  readonly openSeconds: number;
  /** Until all of it was executed. */
  readonly replaySeconds: number;
  readonly cpuSeconds: number;
}

// Who started it is gone, and nobody else would end it.
process.once("disconnect", () => process.exit());

const start = await measure(process.argv[2]);
assert(process.send !== undefined, "somebody has started it");
process.send(start, () => process.disconnect());

async function measure(directory: string): Promise<Start> {
  const blocks = new PreparedBlocks(systemClock, systemBlocks);
  const engine = new Engine({
    clock: systemClock,
    turns: systemTime.turns,
    memberId: 1n,
    partitions: DEFAULT_PARTITIONS,
    pool: new BlockPool({ source: (bytes) => blocks.allocate(bytes) }),
    quotaBytes: Number.POSITIVE_INFINITY,
    memory: { isShortWith: () => false, fullWith: () => null },
    warningApplyMs: 100,
    warningRequestMs: 300,
    log: { info: () => {}, warn: () => {} },
    isAlone: true,
    shelf: null,
    selfCheck: null,
    snapshotTail: { bytes: Infinity, records: Infinity },
    wallMs: systemTime.wallMs,
    flush: () => {},
    onJournalFailed: (error) => assert.fail(error),
    onJournalStalled: () => {},
  });
  const cpu = process.cpuUsage();
  const begunMs = performance.now();
  let openedMs = begunMs;
  const store = await openJournalStore({ ...systemTime, zones: zonesIn(directory), mustExist: true });
  const records = await engine.takeOver(async (listener) => {
    const journal = await store.takeOver(listener);
    openedMs = performance.now();
    return journal;
  });
  const replayedMs = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  engine.stop();
  await store.close();
  blocks.stop();
  return {
    records,
    keys: engine.keyspace.keyCount,
    openSeconds: (openedMs - begunMs) / 1_000,
    replaySeconds: (replayedMs - openedMs) / 1_000,
    cpuSeconds: (user + system) / 1e6,
  };
}
