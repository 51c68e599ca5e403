/** How much a bench does. */
export interface BenchOptions {
  /** Measured seconds of each round. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly rounds: number;
  /** Checks that the bench works, and measures nothing worth reading. */
  readonly small: boolean;
  /** For the suite `kubernetes`: how many nodes the cluster has. */
  readonly nodes: number;
  /** The share of the cluster's objects that is stored beforehand; null for as much as the machine has room for. */
  readonly preload: number | null;
  /** How long to look for the number of nodes that saturates the machine. */
  readonly searchSeconds: number;
  /** For the suites `keyspace`, `lists`, `backups`, `snapshots` and `restart`: how many keys there are; for `start`: how many records; for `disk`: a tenth of the updates. */
  readonly keys: number;
}

export const FULL: BenchOptions = {
  seconds: 3,
  warmUpSeconds: 1,
  rounds: 5,
  small: false,
  nodes: 1_000,
  preload: null,
  searchSeconds: 300,
  keys: 1_000_000,
};
export const SMALL: BenchOptions = {
  seconds: 0.15,
  warmUpSeconds: 0.05,
  rounds: 2,
  small: true,
  nodes: 1_000,
  preload: 0.02,
  searchSeconds: 0.1,
  keys: 20_000,
};
