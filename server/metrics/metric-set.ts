/**
 * Prometheus metrics that are read when scraped: each is a function over numbers kept elsewhere, so nothing on the hot
 * path ever touches a metric object. One set, one registry; there is no global one.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

import type { BucketRecorder } from "./bucket-recorder.ts";

/** Reports one labelled value: label values in the order of the label names. */
export type Report = (labels: readonly string[], value: number) => void;

export class MetricSet {
  readonly registry: Registry;

  constructor() {
    this.registry = new Registry();
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** A value that goes up and down. */
  gauge(name: string, help: string, read: () => number): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }

  /** A value that only grows while the process lives. */
  counter(name: string, help: string, read: () => number): void {
    this.registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(read());
        },
      }),
    );
  }

  /** Gauges that share a name and differ in labels. What `collect` does not report is gone from the next scrape. */
  labelledGauge(name: string, help: string, labelNames: readonly string[], collect: (report: Report) => void): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          collect((labels, value) => this.set(zip(labelNames, labels), value));
        },
      }),
    );
  }

  labelledCounter(name: string, help: string, labelNames: readonly string[], collect: (report: Report) => void): void {
    this.registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          collect((labels, value) => this.inc(zip(labelNames, labels), value));
        },
      }),
    );
  }

  histogram(name: string, help: string, recorder: BucketRecorder): void {
    this.registry.registerMetric(new RecordedHistogram(name, help, recorder));
  }
}

/** A histogram whose buckets were counted elsewhere. */
class RecordedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #recorder: BucketRecorder;

  constructor(name: string, help: string, recorder: BucketRecorder) {
    super({ name, help, registers: [] });
    this.#name = name;
    this.#help = help;
    this.#recorder = recorder;
  }

  /**
   * What the registry asks for when it writes text, and what the inherited `get` builds on. prom-client has no public
   * way to set buckets; its version is pinned and the text is tested.
   */
  getForPromString(): Promise<object> {
    const name = this.#name;
    const { bounds, counts, sum } = this.#recorder;
    const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = [];
    let cumulative = 0;
    for (let i = 0; i < bounds.length; i++) {
      cumulative += counts[i];
      values.push({ metricName: `${name}_bucket`, labels: { le: bounds[i] }, value: cumulative });
    }
    cumulative += counts[bounds.length];
    values.push(
      { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: cumulative },
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: cumulative },
    );
    return Promise.resolve({ name, help: this.#help, type: "histogram", values, aggregator: "sum" });
  }
}

function zip(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
