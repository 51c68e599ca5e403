/** What a kube-apiserver says about itself, in its metrics and its log, when its store does not keep its promises. */
import { readFileSync } from "node:fs";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of one metric on a metrics page. */
export function samplesOf(page: string, metric: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of page.split("\n")) {
    const [, name, labels = "", value] = line.match(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/) ?? [];
    if (name !== metric) continue;
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", text = ""]) => [key, text] as const);
    samples.push({ labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return samples;
}

export interface ConsistentReads {
  /** How many reads of the latest state came from a watch cache. */
  readonly fromCache: number;
  /** Those that had to ask the store for the objects, because its progress did not come in time. */
  readonly late: readonly Sample[];
}

export function consistentReads(page: string): ConsistentReads {
  const samples = samplesOf(page, "apiserver_watch_cache_consistent_read_total");
  const isFromCache = ({ labels }: Sample): boolean => labels["success"] === "true" && labels["fallback"] === "false";
  return {
    fromCache: samples.filter((sample) => isFromCache(sample)).reduce((sum, { value }) => sum + value, 0),
    late: samples.filter(({ labels, value }) => labels["fallback"] === "true" && value > 0),
  };
}

/** The apiserver's own comparisons of its caches with the store that did not come out equal. */
export function failedConsistencyChecks(page: string): readonly Sample[] {
  return samplesOf(page, "apiserver_storage_consistency_checks_total").filter(
    ({ labels, value }) => labels["status"] !== "success" && value > 0,
  );
}

const alarming: readonly RegExp[] = [
  /panic/i,
  /nil pointer/,
  /feature is not supported/,
  /Failed to check if RequestWatchProgress/,
  /Failed to parse etcd version/,
  /PrevKv=nil/,
  /Cache consistency check (?:failed|error)/,
  /code = (?:Unimplemented|Internal|Unknown|DataLoss|InvalidArgument|ResourceExhausted)/,
  /failed to parse compact revision/,
  /unmarshal/i,
  /too_many_pings|ENHANCE_YOUR_CALM/,
];

/** The lines of an apiserver's log that no store may cause, whether it was killed in between or not. */
export function alarmingLines(logFile: string): readonly string[] {
  const lines = readFileSync(logFile, "utf8").split("\n");
  return lines.filter((line) => alarming.some((pattern) => pattern.test(line)));
}
