/** Metrics of partitions, a series for each. There are at most as many as there may be partitions, and one for what has no key. */
import type { MetricSet, Report } from "./metric-set.ts";

export interface PartitionMetricNumbers {
  readonly name: string;
  readonly keys: number;
  readonly liveBytes: number;
  readonly retainedBytes: number;
  readonly quotaBytes: number | null;
  readonly isQuotaReached: boolean;
  readonly writes: number;
  readonly reads: number;
}

export interface QueueMetricNumbers {
  readonly name: string;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly refused: number;
}

export interface PartitionSources {
  readonly partitions: () => readonly PartitionMetricNumbers[];
  readonly queues: () => readonly QueueMetricNumbers[];
  /** By name; null when there are too many to look at. */
  readonly watchers: () => ReadonlyMap<string, number> | null;
}

const LABELS = ["partition"];

export function registerPartitionMetrics(set: MetricSet, { partitions, queues, watchers }: PartitionSources): void {
  const ofEach = (value: (numbers: PartitionMetricNumbers) => number | null) => reportEach(partitions, value);
  const ofQueues = (value: (numbers: QueueMetricNumbers) => number) => reportEach(queues, value);
  const gauge = (name: string, help: string, collect: (report: Report) => void): void =>
    set.labelledGauge(`plinth_partition_${name}`, help, LABELS, collect);
  const counter = (name: string, help: string, collect: (report: Report) => void): void =>
    set.labelledCounter(`plinth_partition_${name}_total`, help, LABELS, collect);
  gauge(
    "keys",
    "Keys of a partition.",
    ofEach(({ keys }) => keys),
  );
  gauge(
    "live_bytes",
    "Bytes of the newest versions of its keys, with what it costs to keep them.",
    ofEach(({ liveBytes }) => liveBytes),
  );
  gauge(
    "retained_bytes",
    "Bytes of all that it keeps, history included: what its quota bounds.",
    ofEach(({ retainedBytes }) => retainedBytes),
  );
  gauge(
    "quota_bytes",
    "Its own quota, if it has one.",
    ofEach(({ quotaBytes }) => quotaBytes),
  );
  gauge(
    "quota_reached",
    "Whether what grows it is refused, if it has a quota.",
    ofEach(({ quotaBytes, isQuotaReached }) => (quotaBytes === null ? null : Number(isQuotaReached))),
  );
  counter(
    "writes",
    "Versions of its keys written, deletions included.",
    ofEach(({ writes }) => writes),
  );
  counter(
    "reads",
    "Ranges that looked into it, those of txns included.",
    ofEach(({ reads }) => reads),
  );
  gauge("watchers", "Watchers whose keys are among its own; no sample while there are too many.", (report) => {
    for (const [name, count] of watchers() ?? []) report([name], count);
  });
  gauge(
    "queue_proposals",
    "Proposals that wait for room in the journal.",
    ofQueues(({ waiting }) => waiting),
  );
  gauge(
    "queue_bytes",
    "The bytes of their records.",
    ofQueues(({ waitingBytes }) => waitingBytes),
  );
  counter(
    "refused",
    "Proposals refused because too many waited.",
    ofQueues(({ refused }) => refused),
  );
}

/** Null is not reported. */
function reportEach<Numbers extends { readonly name: string }>(
  all: () => readonly Numbers[],
  value: (numbers: Numbers) => number | null,
): (report: Report) => void {
  return (report) => {
    for (const numbers of all()) {
      const told = value(numbers);
      if (told !== null) report([numbers.name], told);
    }
  };
}
