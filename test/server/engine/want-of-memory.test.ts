/** Memory for blocks, or their numbers, come to an end: writes are refused before, and what is committed can be executed. */
import { describe, expect, test } from "vitest";
import { deleteRequest, put, putRequest, txnRequest } from "../../../bench/client/requests.ts";
import { NO_SPACE, Refusal } from "../../../partitions/refusals.ts";
import { BlockPool } from "../../../partitions/store/block-pool.ts";
import type { BlockPoolOptions } from "../../../partitions/store/block-pool.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../../proto/rare.ts";
import { ALARM } from "../../../server/engine/alarm-commands.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { KeptEvents } from "../../sim/kept-events.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, MEMBER_ID, newEngine, takeOver } from "../../support/engines.ts";

const BLOCK_BYTES = 64 * 1024;
/** Eight to a block. */
const VALUE = "x".repeat(7_000);
/** Each has a block of its own. */
const LARGE_VALUE = "x".repeat(20_000);

/** Memory of which there is so much. */
class LittleMemory {
  readonly options: BlockPoolOptions;
  #left: number;

  constructor(blocks: number) {
    this.#left = blocks * BLOCK_BYTES;
    this.options = { blockBytes: BLOCK_BYTES, plainSource: (bytes) => this.#make(bytes) };
  }

  #make(bytes: number): SharedArrayBuffer {
    if (this.#left < bytes) throw new RangeError("Array buffer allocation failed");
    this.#left -= bytes;
    return new SharedArrayBuffer(bytes);
  }
}

/** Puts many at once, until one is refused. */
async function fill(engine: Engine, value: string): Promise<{ taken: number; refused: Set<unknown> }> {
  let taken = 0;
  const refused = new Set<unknown>();
  for (let round = 0; refused.size === 0 && round < 100; round++) {
    const puts = Array.from({ length: 20 }, (_, i) => execute(engine, PUT, putRequest(`${round}/${i}`, value)));
    const ofTxn = execute(engine, TXN, txnRequest([put(`${round}/a`, value), put(`${round}/b`, value)]));
    for (const outcome of await Promise.allSettled([...puts, ofTxn])) {
      if (outcome.status === "fulfilled") taken++;
      else refused.add(outcome.reason);
    }
  }
  return { taken, refused };
}

async function makeRoom(engine: Engine): Promise<void> {
  await execute(engine, DELETE_RANGE, deleteRequest("0", ":"));
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: true });
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  const request = { action: ALARM_ACTION_DEACTIVATE, memberID: MEMBER_ID, alarm: ALARM_NOSPACE };
  await execute(engine, ALARM, request);
}

describe.each([
  { what: "blocks", options: new LittleMemory(40).options, value: VALUE, least: 100 },
  { what: "memory for large values", options: new LittleMemory(60).options, value: LARGE_VALUE, least: 60 },
  { what: "numbers of blocks", options: { blockBytes: BLOCK_BYTES, blocksMax: 160 }, value: LARGE_VALUE, least: 60 },
  { what: "numbers of full blocks", options: { blockBytes: BLOCK_BYTES, blocksMax: 160 }, value: VALUE, least: 300 },
])("where there are no more $what", ({ options, value, least }) => {
  test("writes are refused for space before, by an alarm, what is committed is executed, and deletes make room again", async () => {
    const log = new KeptEvents();
    const engine = newEngine({ log, pool: new BlockPool(options) });
    const journal = await takeOver(engine);
    const { taken, refused } = await fill(engine, value);
    expect(refused).toEqual(new Set([NO_SPACE]));
    expect(taken).toBeGreaterThanOrEqual(least);
    expect(engine.keyspace.alarms()).toHaveLength(1);
    expect(log.events).toContainEqual(expect.objectContaining({ message: "memory runs short; raising alarm" }));
    engine.keyspace.verify();
    await makeRoom(engine);
    expect(await execute(engine, PUT, putRequest("again", value))).not.toBeInstanceOf(Refusal);
    engine.keyspace.verify();
    await journal.close();
  });
});

test("what is committed and finds no memory all the same ends the process in words that say why, and nobody goes on", async () => {
  const store = new MemoryStore();
  const written = newEngine();
  const journal = await takeOver(written, store);
  for (let i = 0; i < 100; i++) await execute(written, PUT, putRequest(`${i}`, VALUE));
  const follower = newEngine({ pool: new BlockPool(new LittleMemory(4).options) });
  const follow = async (): Promise<void> => {
    for await (const run of journal.read(follower.applier.applied + 1)) follower.applier.apply(run);
  };
  await expect(follow()).rejects.toThrow("there is no memory to execute what is committed");
  const { applied } = follower.applier;
  expect(applied).toBeGreaterThan(10);
  await expect(follow()).rejects.toThrow("nobody goes on with what is half done");
  expect(follower.applier.applied).toBe(applied);
});
