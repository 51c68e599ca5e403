/** The metrics, put together when the start is over or somebody asks: the library for them would be felt at each start. */
import type { MetricSources } from "./etcd-metrics.ts";
import type { Metrics } from "./metrics.ts";

export class LateMetrics {
  readonly #sources: MetricSources;
  #metrics: Promise<Metrics> | null = null;

  constructor(sources: MetricSources) {
    this.#sources = sources;
  }

  /** All metrics in Prometheus' text format. */
  async text(): Promise<string> {
    return (await this.load()).text();
  }

  /** Puts them together now. What fails is tried again by the next call. */
  load(): Promise<Metrics> {
    this.#metrics ??= this.#make().catch((error: unknown) => {
      this.#metrics = null;
      throw error;
    });
    return this.#metrics;
  }

  async #make(): Promise<Metrics> {
    const loaded = await import("./metrics.ts");
    return new loaded.Metrics(this.#sources);
  }
}
