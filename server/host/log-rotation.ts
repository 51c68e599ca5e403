/**
 * A log file that is moved away when it is large enough, and begins anew: with the settings, the names and the rules of the library
 * that etcd uses for it (lumberjack).
 *
 *     etcd.log                          the one that is written
 *     etcd-2026-01-02T15-04-05.678.log  moved away at that moment
 *     etcd-….log.gz                     the same when they are compressed
 *
 * What is moved away goes by number and by age, beside everything else.
 */
import { constants, existsSync, fstatSync, openSync, renameSync, statSync } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

import type { LogRotation } from "../config/config.ts";

export interface RotationHost {
  /** Unix ms. */
  readonly wallMs: () => number;
  /** From now on lines go to this descriptor, which is the new file's. */
  readonly replace: (descriptor: number) => void;
  /** The file goes on growing, or what was moved away stays. */
  readonly onFailed: (what: string, error: unknown) => void;
}

export class RotatedFile {
  readonly #file: string;
  readonly #settings: LogRotation;
  readonly #host: RotationHost;
  #bytes = 0;
  /** Resolves when what was moved away until now is compressed or removed. */
  #tidied: Promise<void> = Promise.resolve();

  constructor(file: string, settings: LogRotation, host: RotationHost) {
    this.#file = file;
    this.#settings = settings;
    this.#host = host;
  }

  /** The file was opened, as it is now. */
  opened(descriptor: number): void {
    this.#bytes = fstatSync(descriptor).size;
    this.#tidy();
  }

  /** So many bytes, which are lines, are about to be written. */
  beforeWrite(bytes: number): void {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#settings.bytesMax) this.#rotate();
    this.#bytes += bytes;
  }

  #rotate(): void {
    // Also when it fails: it is not tried again with every line.
    this.#bytes = 0;
    try {
      const mode = existsSync(this.#file) ? this.#moveAway() : MODE;
      const { O_WRONLY, O_APPEND, O_CREAT } = constants;
      this.#host.replace(openSync(this.#file, O_WRONLY | O_APPEND | O_CREAT, mode));
    } catch (error) {
      this.#host.onFailed("the log file could not be moved away; it goes on growing", error);
    }
    this.#tidy();
  }

  /** Returns the permissions that the file has. */
  #moveAway(): number {
    let atMs = this.#host.wallMs();
    while (existsSync(this.#nameAt(atMs))) atMs++;
    const { mode } = statSync(this.#file);
    renameSync(this.#file, this.#nameAt(atMs));
    return mode & 0o777;
  }

  #nameAt(unixMs: number): string {
    const { dir, name, ext } = path.parse(this.#file);
    return path.join(dir, `${name}-${momentText(unixMs, this.#settings.localTime)}${ext}`);
  }

  #tidy(): void {
    this.#tidied = this.#tidyBehind(this.#tidied);
  }

  async #tidyBehind(before: Promise<void>): Promise<void> {
    await before;
    try {
      await this.#removeAndCompress();
    } catch (error) {
      this.#host.onFailed("old log files could not be removed or compressed", error);
    }
  }

  async #removeAndCompress(): Promise<void> {
    const { backupsMax, ageMsMax, compress } = this.#settings;
    if (backupsMax === 0 && ageMsMax === 0 && !compress) return;
    const oldestMs = ageMsMax === 0 ? 0 : this.#host.wallMs() - ageMsMax;
    const files = await this.#movedAway();
    for (const [i, { file, unixMs }] of files.entries()) {
      if ((backupsMax > 0 && i >= backupsMax) || unixMs < oldestMs) await rm(file, { force: true });
      else if (compress && !file.endsWith(COMPRESSED)) await compressFile(file);
    }
  }

  /** The newest first. */
  async #movedAway(): Promise<{ file: string; unixMs: number }[]> {
    const { dir, name, ext } = path.parse(this.#file);
    const found = (await readdir(dir === "" ? "." : dir)).flatMap((entry) => {
      const end = [ext, ext + COMPRESSED].find((suffix) => entry.startsWith(`${name}-`) && entry.endsWith(suffix));
      const moment = end === undefined ? null : MOMENT.exec(entry.slice(name.length + 1, entry.length - end.length));
      if (moment === null) return [];
      const [year, month, day, hour, minute, second, ms] = moment.slice(1).map(Number);
      const parts = [year, month - 1, day, hour, minute, second, ms] as const;
      const unixMs = this.#settings.localTime ? new Date(...parts).getTime() : Date.UTC(...parts);
      return [{ file: path.join(dir, entry), unixMs }];
    });
    return found.toSorted((a, b) => b.unixMs - a.unixMs);
  }
}

const MODE = 0o600;
const COMPRESSED = ".gz";
const MOMENT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)\.(\d{3})$/;

function momentText(unixMs: number, localTime: boolean): string {
  // As if local time were UTC, which has a text.
  const shiftMs = localTime ? new Date(unixMs).getTimezoneOffset() * 60_000 : 0;
  return new Date(unixMs - shiftMs).toISOString().slice(0, -1).replaceAll(":", "-");
}

/** A reader sees either file whole. */
async function compressFile(file: string): Promise<void> {
  const unfinished = `${file}${COMPRESSED}.unfinished`;
  const source = await open(file);
  const { mode } = await source.stat();
  const target = await open(unfinished, "w", mode & 0o777);
  await pipeline(source.createReadStream(), createGzip(), target.createWriteStream());
  await rename(unfinished, file + COMPRESSED);
  await rm(file);
}
