/**
 * A disk of its own that can be full: a file with an ext4 file system in it, mounted from a loop device. That takes root
 * on Linux.
 */
import { execFile, execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Other files grow meanwhile, and where they do, less can be taken at once. */
const REST_BYTES = 16 * 1024 * 1024;
const FILLING_STEP = Buffer.alloc(64 * 1024);

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #filling: string;

  /**
   * Makes and mounts it.
   *
   * @param folder exists; the disk's file and mount point are made in it
   * @throws when it cannot be mounted here
   */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.path = path.join(folder, "disk");
    this.#filling = path.join(this.path, "filling");
    const image = path.join(folder, "disk.img");
    const file = openSync(image, "w");
    ftruncateSync(file, bytes);
    closeSync(file);
    mkdirSync(this.path);
    // No blocks that only root may take: full is full for everybody.
    execFileSync("mkfs.ext4", ["-q", "-m", "0", image]);
    execFileSync("mount", ["-o", "loop", image, this.path]);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes all the room that there is: nearly all at once, without writing it, and the rest by writes. */
  async fill(): Promise<void> {
    await run("fallocate", ["-l", String(Math.max(1, this.freeBytes - REST_BYTES)), this.#filling]);
    const file = await open(this.#filling, "a");
    try {
      for (;;) await file.write(FILLING_STEP);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      await file.close();
    }
  }

  /** Gives back what `fill` took. */
  empty(): void {
    rmSync(this.#filling, { force: true });
  }

  /** Who still has a file open on it keeps that until it ends. */
  remove(): void {
    execFileSync("umount", ["-l", this.path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
