/** What there is to know about a client library, and about tests of it that were not written for Plinth. */
import type { Outcomes } from "./outcomes.ts";

/** A store that runs alone in the network of the tests, without anything in it, where clients look for it unless told otherwise. */
export interface Store {
  readonly name: "etcd" | "plinth";
  /** `http://127.0.0.1:2379` */
  readonly url: string;
  readonly port: number;
  /**
   * A folder with the commands `etcd`, `etcdctl` and `etcdutl`, for tests that call them. `etcd` starts another store like this
   * one, be it a Plinth; the other two are etcd's own.
   */
  readonly commands: string;
}

/** Tests that a run leaves out, on both stores. */
export interface LeftOut {
  readonly tests: readonly string[];
  readonly why: string;
}

export interface Suite {
  /** One word without spaces, as on the command line: `python-etcd3`. */
  readonly name: string;
  /** The library or program with the version that is fetched. */
  readonly version: string;
  /** Whose tests they are: its authors', or ours where a package comes without any. */
  readonly tests: "its own" | "ours";
  /** Commands without which it can neither be fetched nor run. */
  readonly tools: readonly string[];
  /** Flags of the store, as `--name=value`, for what `prepare` left in a folder; null where the suite starts its stores by itself. */
  readonly flags: ((folder: string) => readonly string[]) | null;
  readonly leftOut: readonly LeftOut[];
  /** Fetches and builds in an empty folder, with the network; that folder is all that `run` may need. */
  prepare(folder: string): Promise<void>;
  /** Runs the tests, without a network but the loopback. What they print goes into `log`. */
  run(folder: string, store: Store, log: string): Promise<Outcomes>;
}

export const leftOutTests = ({ leftOut }: Suite): readonly string[] => leftOut.flatMap(({ tests }) => tests);
