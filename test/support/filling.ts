/** A file that takes all the room that a disk has, and gives it back. */
import { execFile } from "node:child_process";
import { rmSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Other files grow meanwhile, and where they do, less can be taken at once. */
const REST_BYTES = 16 * 1024 * 1024;
const FILLING_STEP = Buffer.alloc(64 * 1024);
const FULL: ReadonlySet<string | undefined> = new Set(["ENOSPC", "EDQUOT"]);

export class Filling {
  readonly #folder: string;
  readonly #file: string;

  /** @param folder where the disk is mounted */
  constructor(folder: string) {
    this.#folder = folder;
    this.#file = path.join(folder, "filling");
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }

  /** Takes all the room that there is: nearly all at once, without writing it, and the rest by writes. */
  async fill(): Promise<void> {
    await run("fallocate", ["-l", String(Math.max(1, this.freeBytes - REST_BYTES)), this.#file]);
    const file = await open(this.#file, "a");
    try {
      for (;;) await file.write(FILLING_STEP);
    } catch (error) {
      if (!FULL.has((error as NodeJS.ErrnoException).code)) throw error;
    } finally {
      await file.close();
    }
  }

  /** Gives back what `fill` took. */
  empty(): void {
    rmSync(this.#file, { force: true });
  }
}
