/** Something that goes wrong, and is well again in the end. */
import type { Random } from "../guarantees/traffic/random.ts";
import type { TestedStore } from "./tested-store.ts";

export interface Fault {
  /** What goes wrong, in words. */
  readonly name: string;
  /** Whether clients may be left without an answer meanwhile. When not, each call is answered as in peace. */
  readonly losesCalls: boolean;
  /** Whether it is one of those that the tests go through. */
  readonly isShort: boolean;
  /** Why it cannot be had here, or null. */
  whyNot(): string | null;
  /** Starts the store that it befalls, in an empty folder. */
  prepare(folder: string): Promise<Prepared>;
}

export interface Prepared {
  readonly store: TestedStore;
  /** Resolves when it is over, though not all its consequences need be. */
  strike(random: Random): Promise<void>;
  /** Takes away what the fault needed, when the store has been removed. */
  remove?(): void;
}
