/**
 * One kind of operation and what is measured of it. An operation counts from when it was meant to begin, whenever it did:
 * asked for is what was meant to begin in the measured window, reached what was answered in it, and the latency of
 * whatever was asked for goes from the intended time to the answer.
 */

import { LatencyHistogram } from "../client/latency-histogram.ts";

export interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface KindFigures extends Times {
  readonly name: string;
  readonly isWrite: boolean;
  readonly asked: number;
  readonly reached: number;
  /** Answered, and not as it should be. Those of the whole run. */
  readonly errors: number;
}

export class MeasuredKind {
  readonly name: string;
  readonly isWrite: boolean;
  readonly #window: Window;
  /** Together with other kinds, as of all writes. */
  readonly #shared: LatencyHistogram | null;
  readonly #latencies = new LatencyHistogram();
  #asked = 0;
  #reached = 0;
  #errors = 0;
  #open = 0;

  constructor(name: string, window: Window, writes: LatencyHistogram | null = null) {
    this.name = name;
    this.isWrite = writes !== null;
    this.#window = window;
    this.#shared = writes;
  }

  get open(): number {
    return this.#open;
  }

  due(intendedMs: number): void {
    this.#open++;
    if (this.#measures(intendedMs)) this.#asked++;
  }

  /** @param right whether it did what it should */
  answered(intendedMs: number, nowMs: number, right: boolean): void {
    this.#open--;
    if (!right) this.#errors++;
    if (right && this.#measures(nowMs)) this.#reached++;
    if (this.#measures(intendedMs)) this.#add(nowMs - intendedMs);
  }

  figures(): KindFigures {
    return {
      name: this.name,
      isWrite: this.isWrite,
      asked: this.#asked,
      reached: this.#reached,
      errors: this.#errors,
      ...timesOf(this.#latencies),
    };
  }

  #add(milliseconds: number): void {
    this.#latencies.add(milliseconds);
    this.#shared?.add(milliseconds);
  }

  #measures(ms: number): boolean {
    return ms >= this.#window.fromMs && ms < this.#window.untilMs;
  }
}

export function timesOf(histogram: LatencyHistogram): Times {
  return {
    p50: histogram.quantile(0.5),
    p99: histogram.quantile(0.99),
    p999: histogram.quantile(0.999),
    max: histogram.quantile(1),
  };
}
