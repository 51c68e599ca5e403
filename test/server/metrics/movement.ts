/**
 * Which metrics moved between scrapes of one server, in time order. A metric is what its name says as a whole; of those
 * with a sample for each of something, `movedSeries` tells the samples apart.
 */
import type { Exposition } from "./exposition.ts";

/** Names of all that any of the scrapes exports. */
export function exportedNames(scrapes: readonly Exposition[]): Set<string> {
  return new Set(scrapes.flatMap(({ types }) => [...types.keys()]));
}

/** Names of those with another value, or another set of samples, in one scrape than in another. */
export function movedNames(scrapes: readonly Exposition[]): Set<string> {
  const moved = [...exportedNames(scrapes)].filter(
    (name) => new Set(scrapes.map((scrape) => JSON.stringify(samplesOf(scrape, name)))).size > 1,
  );
  return new Set(moved);
}

/** Samples of one metric, `name{labels}`, that have another value in the last scrape than in the first. */
export function movedSeries(scrapes: readonly Exposition[], name: string): Set<string> {
  const [first, last] = [scrapes[0], scrapes[scrapes.length - 1]].map((scrape) => new Map(samplesOf(scrape, name)));
  return new Set([...last.keys()].filter((series) => last.get(series) !== (first.get(series) ?? 0)));
}

/** Samples of a metric in the order of the scrape. A histogram's are all its buckets, its sum and its count. */
export function samplesOf({ samples, types }: Exposition, name: string): [string, number][] {
  const suffixes = types.get(name) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  const names = new Set(suffixes.map((suffix) => name + suffix));
  return [...samples].filter(([series]) => names.has(series.split("{", 1)[0]));
}
