/**
 * Prometheus metrics that are read when scraped: each is a function over numbers kept elsewhere, so nothing on the hot
 * path ever touches a metric object. One set, one registry; there is no global one.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

import type { BucketRecorder } from "./bucket-recorder.ts";

/** Reports one labelled value: label values in the order of the label names. */
export type Report = (labels: readonly string[], value: number) => void;

/** Reports a histogram; fewer label values than names leave the last names out. */
export type ReportBuckets = (labels: readonly string[], recorder: BucketRecorder) => void;

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
    this.labelledHistogram(name, help, [], (report) => report([], recorder));
  }

  labelledHistogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (report: ReportBuckets) => void,
  ): void {
    this.registry.registerMetric(new RecordedHistogram(name, help, labelNames, collect));
  }
}

/** A histogram whose buckets were counted elsewhere. */
class RecordedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #labelNames: readonly string[];
  readonly #collect: (report: ReportBuckets) => void;

  constructor(name: string, help: string, labelNames: readonly string[], collect: (report: ReportBuckets) => void) {
    super({ name, help, labelNames, registers: [] });
    this.#name = name;
    this.#help = help;
    this.#labelNames = labelNames;
    this.#collect = collect;
  }

  /**
   * What the registry asks for when it writes text, and what the inherited `get` builds on. prom-client has no public
   * way to set buckets; its version is pinned and the text is tested.
   */
  getForPromString(): Promise<object> {
    const name = this.#name;
    const values: Sample[] = [];
    this.#collect((labels, recorder) => values.push(...samplesOf(name, zip(this.#labelNames, labels), recorder)));
    return Promise.resolve({ name, help: this.#help, type: "histogram", values, aggregator: "sum" });
  }
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

function samplesOf(name: string, labels: Record<string, string>, { bounds, counts, sum }: BucketRecorder): Sample[] {
  const samples: Sample[] = [];
  let cumulative = 0;
  for (let i = 0; i < bounds.length; i++) {
    cumulative += counts[i];
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] }, value: cumulative });
  }
  cumulative += counts[bounds.length];
  samples.push(
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: cumulative },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: cumulative },
  );
  return samples;
}

function zip(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, i) => [names[i], value]));
}
