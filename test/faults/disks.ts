/**
 * Disks that a replica lies on while something happens to them. They are made of memory, each with a file system of its own,
 * which takes root on Linux.
 */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { delay } from "../support/delay.ts";
import { Filling } from "../support/filling.ts";

const BUSY_MS_MAX = 30_000;

/** Why no disk can be mounted here, or null when one can. */
export function whyNoDisk(): string | null {
  const make = (folder: string): MemoryDisk => new MemoryDisk(folder, 1024 * 1024);
  return whyNone(make, "no right to mount a file system here");
}

/** Why no file system can be mounted from a file here, or null when one can. */
export function whyNoFragileDisk(): string | null {
  const make = (folder: string): FragileDisk => new FragileDisk(folder);
  return whyNone(make, "no right to mount a file system from a file here, or no mkfs.ext4");
}

function whyNone(make: (folder: string) => { remove(): void }, why: string): string | null {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-disk-"));
  try {
    make(folder).remove();
    return null;
  } catch {
    return why;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** It can be full. */
export class MemoryDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #filling: Filling;

  /** @param folder is there, and becomes the disk */
  constructor(folder: string, bytes: number) {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "ignore" });
    this.path = folder;
    this.#filling = new Filling(folder);
  }

  fill(): Promise<void> {
    return this.#filling.fill();
  }

  empty(): void {
    this.#filling.empty();
  }

  /** Who still has a file open on it keeps that until it ends. */
  remove(): void {
    execFileSync("umount", ["-l", this.path]);
  }
}

const IMAGE_BYTES = 512 * 1024 * 1024;
const MEMORY_BYTES = 128 * 1024 * 1024;

/**
 * An ext4 file system that can fail. It lies in a file that promises more than the memory behind it has: when that is full,
 * what is written for the first time fails with EIO, be it data or ext4's own journal.
 */
export class FragileDisk {
  /** The way to it. */
  readonly path: string;
  /** Where it is mounted. */
  readonly #mountPoint: string;
  readonly #memory: MemoryDisk;
  readonly #image: string;

  /** @param folder is there; memory and mount point are made in it */
  constructor(folder: string) {
    const memory = path.join(folder, "memory");
    mkdirSync(memory);
    this.#memory = new MemoryDisk(memory, MEMORY_BYTES);
    this.#mountPoint = path.join(folder, "disk");
    mkdirSync(this.#mountPoint);
    this.path = path.join(folder, "way");
    symlinkSync(this.#mountPoint, this.path);
    this.#image = path.join(memory, "image");
    try {
      const file = openSync(this.#image, "w");
      ftruncateSync(file, IMAGE_BYTES);
      closeSync(file);
      execFileSync("mkfs.ext4", ["-q", "-m", "0", "-E", "lazy_itable_init=1", this.#image], { stdio: "ignore" });
      this.#mount();
    } catch (error) {
      this.#memory.remove();
      throw error;
    }
  }

  /** From now on what needs another block of the disk fails with EIO. */
  fail(): Promise<void> {
    return this.#memory.fill();
  }

  /** From now on nothing can be written, with EROFS. */
  becomeReadOnly(): void {
    execFileSync("mount", ["-o", "remount,abort", this.#mountPoint], { stdio: "ignore" });
  }

  /** Mounts it anew and whole, as soon as nobody has a file open on it; what was never durable is gone. */
  async repair(): Promise<void> {
    this.#memory.empty();
    // A directory that is there and empty says that all is lost; one that cannot be reached says nothing.
    this.#lead("/dev/null");
    for (const deadline = performance.now() + BUSY_MS_MAX; ;) {
      try {
        execFileSync("umount", [this.#mountPoint], { stdio: "pipe" });
        break;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await delay(20);
      }
    }
    this.#mount();
    this.#lead(this.#mountPoint);
  }

  remove(): void {
    execFileSync("umount", ["-l", this.#mountPoint]);
    this.#memory.remove();
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop,errors=remount-ro", this.#image, this.#mountPoint], { stdio: "pipe" });
  }

  #lead(to: string): void {
    rmSync(this.path);
    symlinkSync(to, this.path);
  }
}
