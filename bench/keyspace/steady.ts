/**
 * Updates at a pace while compaction and reclaim run as a server runs them: how long does the event loop stand still? And
 * what comes back of the memory when most keys are deleted?
 */

import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";

import { systemClock, systemTurns, type Turns } from "../../server/clock.ts";
import { Compactor } from "../../server/engine/compactor.ts";
import { Counters } from "../../server/metrics/counters.ts";
import { residentBytes } from "../server-process.ts";
import type { Pauses, Rate, Removal } from "./figures.ts";
import type { Stock } from "./stock.ts";

const UPDATES_PER_SECOND = 20_000;
/** What is late is made up for in turns of so many. */
const UPDATES_PER_TURN_MAX = 500;
const COMPACT_EVERY_MS = 1_000;
const PACE_MS = 1;
/** Of ten keys one is left. */
const KEPT_ONE_OF = 10;
const DELETES_PER_TURN = 500;
/** What is let go of is the system's after collections of garbage, which come little by little. */
const COLLECTIONS = 5;

const QUIET = { info: () => {}, warn: () => {} };

/** Measures the processor time of the longest turn that is given to it. */
class MeasuredTurns implements Turns {
  longestMicroseconds = 0;

  later(run: () => void): void {
    systemTurns.later(() => {
      const begun = process.threadCpuUsage();
      run();
      const { user, system } = process.threadCpuUsage(begun);
      this.longestMicroseconds = Math.max(this.longestMicroseconds, user + system);
    });
  }
}

export class Steady {
  readonly #stock: Stock;
  readonly #turns = new MeasuredTurns();
  readonly #compactor: Compactor;

  constructor(stock: Stock) {
    this.#stock = stock;
    this.#compactor = new Compactor({
      keyspace: stock.keyspace,
      clock: systemClock,
      turns: this.#turns,
      counters: new Counters(),
      log: QUIET,
      isMemoryShort: () => false,
    });
    this.#compactor.startCounting();
  }

  /** Compacts all that can be, with nothing beside it. */
  async compact(): Promise<Rate> {
    const before = this.#stock.keyspace.versionCount;
    const cpu = process.cpuUsage();
    const begun = performance.now();
    await this.#compactNow();
    const { user, system } = process.cpuUsage(cpu);
    const removed = before - this.#stock.keyspace.versionCount;
    return {
      perSecond: (removed * 1_000) / (performance.now() - begun),
      cpuMicroseconds: (user + system) / removed,
    };
  }

  /** Updates of all keys, and every second a compaction of what came before. */
  run(seconds: number): Promise<Pauses> {
    const { keyspace } = this.#stock;
    let compactMs = performance.now() + COMPACT_EVERY_MS;
    const untilMs = performance.now() + seconds * 1_000;
    return this.#pace(this.#stock.keys, (nowMs) => {
      if (nowMs >= compactMs) {
        compactMs += COMPACT_EVERY_MS;
        keyspace.watchers.flush();
        keyspace.compact(keyspace.revision);
        this.#compactor.run();
      }
      return nowMs < untilMs;
    });
  }

  /** Deletes nine of ten keys and compacts, while those that are left are updated. */
  async removeMost(): Promise<{ removing: Pauses; removal: Removal }> {
    const { pool } = this.#stock;
    const usedBefore = pool.usedBytes;
    const residentBefore = residentBytes(process.pid);
    let isOver = false;
    let begun = 0;
    const removed = this.#deleteMost().then(async () => {
      begun = performance.now();
      await this.#compactNow();
      isOver = true;
      return (performance.now() - begun) / 1_000;
    });
    const removing = await this.#pace(this.#kept, () => !isOver);
    const seconds = await removed;
    // The last updates are history, too.
    await this.#compactNow();
    await settle(this.#stock);
    const removal = {
      seconds,
      usedBefore,
      usedAfter: pool.usedBytes,
      freeAfter: pool.freeBytes,
      residentBefore,
      residentAfter: residentBytes(process.pid),
    };
    return { removing, removal };
  }

  get #kept(): number {
    return Math.ceil(this.#stock.keys / KEPT_ONE_OF);
  }

  async #deleteMost(): Promise<void> {
    for (let number = 0, deleted = 0; number < this.#stock.keys; number++) {
      if (number % KEPT_ONE_OF === 0) continue;
      this.#stock.delete(number);
      if (++deleted % DELETES_PER_TURN === 0) await nextTurn();
    }
  }

  async #compactNow(): Promise<void> {
    const { keyspace } = this.#stock;
    keyspace.watchers.flush();
    assert(keyspace.compact(keyspace.revision) === null, "there is something to compact");
    await new Promise<void>((resolve) => void this.#compactor.whenRemoved(resolve));
  }

  /** Updates `keys` keys, those by tens if that is fewer than all, as long as `goesOn`. */
  async #pace(keys: number, goesOn: (nowMs: number) => boolean): Promise<Pauses> {
    const stock = this.#stock;
    const spacing = keys < stock.keys ? KEPT_ONE_OF : 1;
    const delays = monitorEventLoopDelay({ resolution: PACE_MS });
    this.#turns.longestMicroseconds = 0;
    const begunMs = performance.now();
    let done = 0;
    delays.enable();
    for (let nowMs = begunMs; goesOn(nowMs); nowMs = performance.now()) {
      const due = Math.floor(((nowMs - begunMs) * UPDATES_PER_SECOND) / 1_000);
      const end = Math.min(due, done + UPDATES_PER_TURN_MAX);
      for (; done < end; done++) stock.put((stock.at(done) % keys) * spacing);
      await (done < due ? nextTurn() : pause(PACE_MS));
    }
    delays.disable();
    // The histogram has nanoseconds, with the time that the timer takes anyway.
    const milliseconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - PACE_MS);
    return {
      p999Ms: milliseconds(delays.percentile(99.9)),
      maxMs: milliseconds(delays.max),
      sliceCpuMs: this.#turns.longestMicroseconds / 1_000,
      updatesPerSecond: (done * 1_000) / (performance.now() - begunMs),
    };
  }
}

/** Gives up what was touched ahead of growth that is over, and collects garbage. */
export async function settle({ blocks }: Stock): Promise<void> {
  blocks.stop();
  for (let i = 0; i < COLLECTIONS; i++) {
    assert(globalThis.gc !== undefined, "the process is started with --expose-gc");
    globalThis.gc();
    await pause(20);
  }
}
