/**
 * A disk of its own that can be full: a file with an ext4 file system in it, mounted from a loop device. That takes root
 * on Linux.
 */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from "node:fs";
import path from "node:path";
import { Filling } from "../support/filling.ts";

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #filling: Filling;

  /**
   * Makes and mounts it.
   *
   * @param folder exists; the disk's file and mount point are made in it
   * @throws when it cannot be mounted here
   */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.path = path.join(folder, "disk");
    this.#filling = new Filling(this.path);
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
    return this.#filling.freeBytes;
  }

  /** Takes all the room that there is. */
  fill(): Promise<void> {
    return this.#filling.fill();
  }

  /** Gives back what `fill` took. */
  empty(): void {
    this.#filling.empty();
  }

  /** Who still has a file open on it keeps that until it ends. */
  remove(): void {
    execFileSync("umount", ["-l", this.path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
