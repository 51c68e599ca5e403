/** What a writer in a process of its own (write.ts) is told and tells. */

/** Where it writes: to directories of its own and to replicas in other processes, of which a majority decides. */
export interface WriterPlan {
  /** No journal: the same frames written as barely as can be. */
  readonly isControl: boolean;
  readonly directories: readonly string[];
  /** Of replicas on the loopback interface. */
  readonly ports: readonly number[];
}

/** So many appenders, each of which appends again when its record is committed. */
export interface Run {
  readonly inFlight: number;
  readonly recordBytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** What came of it while it was measured. */
export interface Written {
  readonly records: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the writer's process. */
  readonly cpuSeconds: number;
  /** Between two commits. */
  readonly longestGapMs: number;
  /** Records that were appended and never committed. */
  readonly failed: number;
}

export type Order =
  | { readonly kind: "run"; readonly run: Run }
  /** From now on one of its directories answers every write with an error. */
  | { readonly kind: "break"; readonly directory: string };

export type Report =
  | { readonly kind: "ready" }
  | { readonly kind: "measuring" }
  | { readonly kind: "written"; readonly written: Written };

/** The zone of a place, by its number. */
export const ZONES: readonly string[] = ["a", "b", "c"];
