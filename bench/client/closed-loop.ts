/**
 * A closed loop of unary calls: every slot starts its next call as soon as the last is answered. The rate is then what
 * server and generator reach together on this machine; the latency belongs to that rate.
 */

import type { LatencyHistogram } from "./latency-histogram.ts";
import type { LeanClient } from "./lean-client.ts";

/** What is called. A slot is a number below `clients.length * inFlight`. */
export interface Load {
  readonly clients: readonly LeanClient[];
  /** Calls in flight on each client. */
  readonly inFlight: number;
  readonly path: string;
  /** The slot's next request; it is written before this is called again. */
  request(slot: number): Uint8Array;
  /** Sees the slot's reply, a view that is valid until this returns. */
  onReply?(slot: number, reply: Buffer): void;
}

export interface LoopOptions {
  /** Calls run that long before anything is counted. */
  readonly warmUpSeconds: number;
  /** How long is measured: longer where no call has ended by then, as a figure of none says nothing. */
  readonly seconds: number;
  /** Ends the measuring early. */
  readonly callsMax: number;
  /** Takes the latencies of the measured calls. Without one no clock is read for each call. */
  readonly histogram?: LatencyHistogram;
  /** Called when the measuring begins and when it ends. */
  readonly onMeasuring?: (begins: boolean) => void;
}

export interface LoopResult {
  readonly calls: number;
  readonly seconds: number;
}

/**
 * Runs the loop and returns when the last call is answered.
 *
 * @throws when a call fails: the figures would be worth nothing
 */
export async function runClosedLoop(load: Load, options: LoopOptions): Promise<LoopResult> {
  const { promise: drained, resolve, reject } = Promise.withResolvers<void>();
  const histogram = options.histogram ?? null;
  let running = true;
  let measuring = false;
  let isOver = false;
  let open = 0;
  let calls = 0;
  let begun = 0;
  let seconds = 0;
  let timer: NodeJS.Timeout | undefined;

  const finish = (): void => {
    if (!measuring) return;
    running = false;
    measuring = false;
    clearTimeout(timer);
    seconds = (performance.now() - begun) / 1000;
    options.onMeasuring?.(false);
  };
  const begin = (): void => {
    measuring = true;
    begun = performance.now();
    options.onMeasuring?.(true);
    timer = setTimeout(() => {
      isOver = true;
      if (calls > 0) finish();
    }, options.seconds * 1000);
  };
  const startSlot = (client: LeanClient, slot: number): void => {
    let started = 0;
    const next = (): void => {
      open++;
      client.unary(load.path, load.request(slot), onReply);
    };
    const onReply = (status: number, reply: Buffer, text: string): void => {
      open--;
      if (status !== 0) {
        running = false;
        reject(new Error(`${load.path} failed with status ${status}: ${text}`));
        return;
      }
      load.onReply?.(slot, reply);
      if (measuring) {
        calls++;
        if (histogram !== null) {
          const now = performance.now();
          histogram.add(now - started);
          started = now;
        }
        if (isOver || calls >= options.callsMax) finish();
      } else if (histogram !== null) {
        started = performance.now();
      }
      if (running) next();
      else if (open === 0) resolve();
    };
    started = performance.now();
    next();
  };

  timer = setTimeout(begin, options.warmUpSeconds * 1000);
  load.clients.forEach((client, i) => {
    for (let j = 0; j < load.inFlight; j++) startSlot(client, i * load.inFlight + j);
  });
  try {
    await drained;
  } finally {
    clearTimeout(timer);
  }
  return { calls, seconds };
}
