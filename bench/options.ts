/** How much a bench does. */
export interface BenchOptions {
  /** Measured seconds of each round. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly rounds: number;
  /** Checks that the bench works, and measures nothing worth reading. */
  readonly small: boolean;
}

export const FULL: BenchOptions = { seconds: 3, warmUpSeconds: 1, rounds: 5, small: false };
export const SMALL: BenchOptions = { seconds: 0.15, warmUpSeconds: 0.05, rounds: 2, small: true };
