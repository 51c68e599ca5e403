/**
 * Something that is made of files, and made again when they have changed. Whoever asks for it gets what the files said
 * when it asked, or later. While they are no good, as half written or not of one another, the former one stays.
 */
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../clock.ts";

export interface WatchedOptions<Made> {
  readonly paths: readonly string[];
  /** @throws when it cannot be made of them */
  readonly make: (contents: readonly Buffer[]) => Made;
  readonly clock: Clock;
  /** Made anew. */
  readonly onRenewed: () => void;
  /** Told once for each change of the files after which they were no good. */
  readonly onFault: (error: unknown) => void;
}

/** Files that are written just now are read again so many times before a start fails of them. */
const FIRST_READS_MAX = 10;

/** Who asks does not wait longer for a slow disk, and gets what there is. */
const WAIT_MS_MAX = 1_000;

export class WatchedFiles<Made> {
  readonly #options: WatchedOptions<Made>;
  #made: Made;
  /** The state of the files that were looked at last, good or not. */
  #seen: string;
  #look: Promise<void> | null = null;
  #nextLook: Promise<void> | null = null;
  /** Somebody has waited in vain for the look that goes on. */
  #isSlow = false;

  private constructor(options: WatchedOptions<Made>, made: Made, seen: string) {
    this.#options = options;
    this.#made = made;
    this.#seen = seen;
  }

  /** @throws the system's error, which names the file, or that of `make` */
  static async open<Made>(options: WatchedOptions<Made>): Promise<WatchedFiles<Made>> {
    const { paths, make } = options;
    let reading = await readAll(paths);
    for (let i = 1; reading === null && i < FIRST_READS_MAX; i++) reading = await readAll(paths);
    if (reading === null) throw new Error(`these files change all the time: ${paths.join(", ")}`);
    return new WatchedFiles(options, make(reading.contents), reading.state);
  }

  async fresh(): Promise<Made> {
    if (this.#isSlow) return this.#made;
    const waited = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(WAIT_MS_MAX, () => {
      this.#isSlow = this.#look !== null;
      waited.resolve();
    });
    await Promise.race([this.#joinLook(), waited.promise]);
    timer.cancel();
    return this.#made;
  }

  /** A look that has begun may have missed what is asked for now. */
  #joinLook(): Promise<void> {
    if (this.#look === null) return this.#beginLook();
    this.#nextLook ??= this.#look.then(() => this.#beginLook());
    return this.#nextLook;
  }

  #beginLook(): Promise<void> {
    this.#nextLook = null;
    const look = this.#lookOnce().finally(() => {
      this.#look = null;
      this.#isSlow = false;
    });
    this.#look = look;
    return look;
  }

  async #lookOnce(): Promise<void> {
    const { paths, make, onRenewed, onFault } = this.#options;
    const state = await stateOf(paths);
    if (state === this.#seen) return;
    try {
      const reading = await readAll(paths);
      // Who reads next finds out.
      if (reading === null) return;
      this.#seen = reading.state;
      this.#made = make(reading.contents);
      onRenewed();
    } catch (error) {
      this.#seen = state;
      onFault(error);
    }
  }
}

interface Reading {
  readonly contents: readonly Buffer[];
  readonly state: string;
}

/** Null when they have changed meanwhile. */
async function readAll(paths: readonly string[]): Promise<Reading | null> {
  const state = await stateOf(paths);
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  return (await stateOf(paths)) === state ? { contents, state } : null;
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(
    paths.map((path) =>
      stat(path, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`,
        (error: NodeJS.ErrnoException) => error.code ?? "",
      ),
    ),
  );
  return states.join("\n");
}
