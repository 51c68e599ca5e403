/**
 * Profiles of this process as V8 makes them, through Node's own inspector without a port: where time goes, and who allocates what
 * stays. One at a time, each for a bounded while; it costs some percent of all work meanwhile, and a moment at its end.
 */
import type { Session } from "node:inspector/promises";

import type { Clock } from "../clock.ts";
import { PROFILE_SECONDS_MAX } from "../limits.ts";

export type ProfileKind = "cpu" | "heap";

/** Another profile is being made. */
export class ProfilerBusyError extends Error {
  readonly code = "ERR_PROFILER_BUSY";

  constructor() {
    super("a profile is being made; one is at a time");
    this.name = "ProfilerBusyError";
  }
}

/** Bytes between two samples of allocations, on average: what Node's --heap-prof takes. */
const HEAP_INTERVAL_BYTES = 512 * 1024;

export class Profiler {
  readonly #clock: Pick<Clock, "after">;
  #isBusy = false;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /**
   * Makes a profile in V8's JSON: `.cpuprofile`, or `.heapprofile` with what was allocated meanwhile and still lives.
   *
   * @param seconds no more than PROFILE_SECONDS_MAX are taken
   * @param signal ends it early
   * @throws ProfilerBusyError
   */
  async profile(kind: ProfileKind, seconds: number, signal: AbortSignal): Promise<string> {
    if (this.#isBusy) throw new ProfilerBusyError();
    this.#isBusy = true;
    // Most processes are never profiled.
    const { Session } = process.getBuiltinModule("node:inspector/promises");
    const session = new Session();
    try {
      session.connect();
      const take = kind === "cpu" ? await startCpu(session) : await startHeap(session);
      await this.#wait(Math.min(seconds, PROFILE_SECONDS_MAX) * 1_000, signal);
      return JSON.stringify(await take());
    } finally {
      session.disconnect();
      this.#isBusy = false;
    }
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      const stop = (): void => {
        timer.cancel();
        resolve();
      };
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  }
}

async function startCpu(session: Session): Promise<() => Promise<object>> {
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  return async () => (await session.post("Profiler.stop")).profile;
}

async function startHeap(session: Session): Promise<() => Promise<object>> {
  await session.post("HeapProfiler.startSampling", { samplingInterval: HEAP_INTERVAL_BYTES });
  return async () => (await session.post("HeapProfiler.stopSampling")).profile;
}
