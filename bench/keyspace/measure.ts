/** Fills a keyspace of its own and measures it; tells its starter the figures (keyspace.ts). */

import assert from "node:assert/strict";

import { residentBytes } from "../server-process.ts";
import type { Figures, Plan } from "./figures.ts";
import { LIST_LIMIT, measureCount, measureGets, measureLists } from "./rates.ts";
import { settle, Steady } from "./steady.ts";
import { Stock } from "./stock.ts";
import { timed } from "./timed.ts";

/** More calls than so many tell no more. */
const CALLS_MAX = 1_000_000;
const HOT_KEYS = 100;
const WARM_KEYS = 10_000;

// Who started it is gone, and nobody else would end it.
process.once("disconnect", () => process.exit());

const figures = await measure(JSON.parse(process.argv[2]) as Plan);
assert(process.send !== undefined, "somebody has started it");
process.send(figures, () => process.disconnect());

async function measure({ keys, steadySeconds }: Plan): Promise<Figures> {
  await warmUp(Math.min(keys, WARM_KEYS));
  const stock = new Stock(keys);
  await settle(stock);
  const residentBefore = residentBytes(process.pid);
  const calls = Math.min(keys, CALLS_MAX);
  const load = await stock.fill();
  await settle(stock);
  const memory = {
    residentBytes: residentBytes(process.pid),
    residentBefore,
    heapBytes: process.memoryUsage().heapUsed,
  };
  const get = await measureGets(stock, calls);
  const list = await measureLists(stock, Math.ceil((2 * calls) / LIST_LIMIT));
  const countMs = measureCount(stock);
  const steady = new Steady(stock);
  const randomUpdate = await timed(calls, (step) => stock.put(stock.at(step)));
  const hotUpdate = await timed(Math.ceil(calls / 2), (step) => stock.put(step % HOT_KEYS));
  const compaction = await steady.compact();
  const pauses = await steady.run(steadySeconds);
  const { removing, removal } = await steady.removeMost();
  stock.keyspace.watchers.flush();
  return {
    load,
    memory,
    get,
    list,
    countMs,
    randomUpdate,
    hotUpdate,
    compaction,
    steady: pauses,
    removing,
    removal,
  };
}

/** Does all of it with a few keys, so that the code is compiled before it counts. */
async function warmUp(keys: number): Promise<void> {
  const stock = new Stock(keys);
  await stock.fill();
  await measureGets(stock, keys);
  await measureLists(stock, Math.ceil(keys / LIST_LIMIT));
  measureCount(stock);
  await timed(keys, (step) => stock.put(stock.at(step)));
  await new Steady(stock).compact();
  await settle(stock);
}
