/** A disk in memory that loses at a crash what a disk may lose, and fails where it is told to. */
import { basename } from "node:path";
import { locked } from "../../journal/journal-errors.ts";
import type { Disk, DiskFile, OnWritten } from "../../journal/replica/disk.ts";

/**
 * Each file has the content that readers see (the page cache) and the
 * content that is durable; names likewise. Operations take turns of the event loop, and may be ended at any of them:
 *
 * - `power`: of each write under way, any set of its sectors is on the disk; of the changes of names that were not
 *   synced, any subset is; the page cache is gone.
 * - `kill`: the page cache is what it was, with any beginning of a write under way; nothing more became durable.
 */
export type CrashMode = "power" | "kill";

export interface DiskOperation {
  readonly kind: "create" | "open" | "read" | "write" | "resize" | "rename" | "remove" | "list" | "sync";
  /** The file's name without its directory. */
  readonly name: string;
  /** Of a write; 0 otherwise. */
  readonly at: number;
  readonly length: number;
}

/** What becomes of an operation instead: an error of this code, or only that many bytes written. */
export type Fault = { readonly code: string } | { readonly shortBy: number };

/** Lets something happen in a later turn of the event loop. */
export type Later = (act: () => void) => void;

const sectorBytes = 512;

class Inode {
  cached: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  /** Offsets of sectors that cannot be read. */
  readonly unreadable = new Set<number>();
  /** By the offset of a byte that has rotted: what was written there. */
  readonly rotten = new Map<number, number>();
}

interface WriteUnderWay {
  readonly inode: Inode;
  readonly bytes: Buffer;
  readonly at: number;
}

type NameChange = (names: Map<string, Inode>) => void;

export class SimulatedDisk implements Disk {
  readonly random: () => number;
  /** Decides about each operation as it begins. */
  inject: (operation: DiskOperation) => Fault | null = () => null;
  /** Beginnings and ends of operations so far. */
  steps = 0;
  /** It is full when its files have so many bytes. */
  capacityBytes = Infinity;
  /** Resolves at the crash. From then on no operation ends. */
  readonly crashed: Promise<void>;

  readonly #laterOnce: Later;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  readonly #files = new WeakMap<DiskFile, Inode>();
  /** By this process: the locks of one that ended are gone. */
  readonly #locked = new Set<Inode>();
  readonly #writes = new Set<WriteUnderWay>();
  #crashAt = Infinity;
  #hasCrashed = false;
  #tellCrash: () => void = () => undefined;

  constructor(random: () => number, later: Later = (act) => void setImmediate(act)) {
    this.random = random;
    this.#laterOnce = later;
    this.crashed = new Promise((resolve) => (this.#tellCrash = resolve));
  }

  /** Crashes at the given step from now. */
  crashAfter(steps: number): void {
    this.#crashAt = this.steps + steps;
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed;
  }

  crash(): void {
    this.#hasCrashed = true;
    this.#tellCrash();
  }

  /** The disk after the crash, for a new process. */
  restart(mode: CrashMode, later: Later = this.#laterOnce): SimulatedDisk {
    const next = new SimulatedDisk(this.random, later);
    next.capacityBytes = this.capacityBytes;
    if (mode === "kill") {
      next.#names = this.#names;
      next.#durableNames = this.#durableNames;
      next.#nameChanges = this.#nameChanges;
      for (const write of this.#writes) this.#apply(write, "cached", this.#beginning(write.bytes.length));
      return next;
    }
    for (const write of this.#writes) this.#tear(write);
    for (const change of this.#nameChanges) if (this.random() < 0.5) change(this.#durableNames);
    for (const [path, inode] of this.#durableNames) {
      inode.cached = Buffer.from(inode.durable);
      next.#names.set(path, inode);
      next.#durableNames.set(path, inode);
    }
    return next;
  }

  /** A disk of its own with what is durable on this one now, as a copy of it that is put in its place some day. */
  image(): SimulatedDisk {
    const image = new SimulatedDisk(this.random, this.#laterOnce);
    image.capacityBytes = this.capacityBytes;
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of this.#durableNames) {
      const copy = copies.get(inode) ?? new Inode();
      copies.set(inode, copy);
      copy.durable = Buffer.from(inode.durable);
      copy.cached = Buffer.from(inode.durable);
      for (const sector of inode.unreadable) copy.unreadable.add(sector);
      for (const [at, byte] of inode.rotten) copy.rotten.set(at, byte);
      image.#names.set(path, copy);
      image.#durableNames.set(path, copy);
    }
    return image;
  }

  /** Turns a bit of a durable byte of one of the files over. @returns where, or null when there is none */
  rot(isConcerned: (path: string) => boolean = () => true): { path: string; at: number } | null {
    const files = [...this.#durableNames].filter(([path, { durable }]) => durable.length > 0 && isConcerned(path));
    if (files.length === 0) return null;
    const [path, { durable }] = files[Math.floor(this.random() * files.length)];
    const at = Math.floor(this.random() * durable.length);
    this.rotAt(path, at, 1 << Math.floor(this.random() * 8));
    return { path, at };
  }

  /** Turns these bits of a durable byte over. */
  rotAt(path: string, at: number, bits: number): void {
    const { durable, cached, rotten } = this.#inode(path);
    if (!rotten.has(at)) rotten.set(at, durable[at]);
    // The page cache forgets now and then, and reads what is on the disk.
    if (at < cached.length && cached[at] === durable[at]) cached[at] ^= bits;
    durable[at] ^= bits;
  }

  /** No read that meets these bytes of the file succeeds, until they are all written again. */
  failToRead(path: string, start: number, end: number): void {
    const inode = this.#inode(path);
    for (let at = start; at < end; at += sectorBytes) inode.unreadable.add(at - (at % sectorBytes));
  }

  canRead(path: string): boolean {
    return this.#inode(path).unreadable.size === 0;
  }

  /** The files whose names are durable, in the order of these. */
  get paths(): string[] {
    return [...this.#durableNames.keys()].filter((path) => this.#names.has(path)).toSorted();
  }

  /** Of these, those of which something cannot be read, or has rotted and not been written again. */
  get damaged(): string[] {
    return this.paths.filter((path) => {
      const { durable, rotten, unreadable } = this.#inode(path);
      return unreadable.size > 0 || [...rotten].some(([at, byte]) => durable[at] !== byte);
    });
  }

  /**
   * Of these, those in which a reader can meet it. What a process was writing when it was killed is in the page cache, and the
   * system writes it out some time.
   */
  get damagedToRead(): string[] {
    return this.paths.filter((path) => {
      const { cached, rotten, unreadable } = this.#inode(path);
      return unreadable.size > 0 || [...rotten].some(([at, byte]) => cached[at] !== byte);
    });
  }

  /** What was made durable in a file, whatever has rotted since. */
  asWritten(path: string): Buffer {
    const { durable, rotten } = this.#inode(path);
    const bytes = Buffer.from(durable);
    for (const [at, byte] of rotten) bytes[at] = byte;
    return bytes;
  }

  /** Bytes of all its files. */
  get usedBytes(): number {
    let bytes = 0;
    for (const inode of new Set(this.#names.values())) bytes += inode.cached.length;
    return bytes;
  }

  /** All of a file can be read again. */
  readsAgain(path: string): void {
    this.#inode(path).unreadable.clear();
  }

  /** The content of a file as a reader sees it; changing it changes the file. */
  content(path: string): Buffer {
    return this.#inode(path).cached;
  }

  async makeDirectory(): Promise<void> {
    await this.#turn("sync", "", () => undefined);
  }

  list(directory: string): Promise<string[]> {
    return this.#turn("list", directory, () => namesUnder([...this.#names.keys()], directory));
  }

  create(path: string): Promise<DiskFile> {
    return this.#turn("create", path, () => {
      const inode = new Inode();
      this.#changeNames((names) => names.set(path, inode));
      return this.#handle(path, inode);
    });
  }

  openForWriting(path: string): Promise<DiskFile> {
    return this.#turn("open", path, () => this.#handle(path, this.#inode(path)));
  }

  openForReading(path: string): Promise<DiskFile> {
    return this.openForWriting(path);
  }

  openLocked(path: string): Promise<DiskFile> {
    return this.#turn("open", path, () => {
      const inode = this.#inode(path);
      if (this.#locked.has(inode)) throw locked(path, null);
      this.#locked.add(inode);
      const file = this.#handle(path, inode);
      file.close = () => Promise.resolve(void this.#locked.delete(inode));
      return file;
    });
  }

  isNameOf(path: string, file: DiskFile): Promise<boolean> {
    return Promise.resolve(this.#names.get(path) === this.#files.get(file));
  }

  /** A file, or a directory with all that is in it. */
  rename(from: string, to: string): Promise<void> {
    return this.#turn("rename", from, () => {
      if (namesUnder([...this.#names.keys()], from).length > 0) {
        this.#changeNames((names) => {
          for (const [path, inode] of names) {
            if (!path.startsWith(`${from}/`)) continue;
            names.delete(path);
            names.set(to + path.slice(from.length), inode);
          }
        });
        return;
      }
      const inode = this.#inode(from);
      this.#changeNames((names) => {
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#turn("remove", path, () => {
      this.#inode(path);
      this.#changeNames((names) => names.delete(path));
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const changes = this.#nameChanges.length;
    await this.#turn("sync", path, () => {
      for (const change of this.#nameChanges.splice(0, changes)) change(this.#durableNames);
    });
  }

  #handle(path: string, inode: Inode): DiskFile {
    const file: DiskFile = {
      path,
      write: (bytes, length, at, onWritten) => {
        this.#write(file.path, inode, bytes.subarray(0, length), at, onWritten);
      },
      read: (bytes, offset, length, at) =>
        this.#turn("read", file.path, () => {
          for (const sector of inode.unreadable) {
            if (sector < at + length && sector + sectorBytes > at) throw systemError("EIO", file.path);
          }
          return inode.cached.copy(bytes, offset, at, at + length);
        }),
      size: () => Promise.resolve({ bytes: inode.cached.length, allocated: inode.cached.length }),
      resize: (bytes) =>
        this.#turn("resize", file.path, () => {
          if (this.#isFull(inode, bytes)) throw systemError("ENOSPC", file.path);
          inode.cached = resized(inode.cached, bytes);
        }),
      close: () => Promise.resolve(),
    };
    this.#files.set(file, inode);
    return file;
  }

  #write(path: string, inode: Inode, source: Uint8Array, at: number, onWritten: OnWritten): void {
    if (this.#step()) return;
    const { length } = source;
    const fault =
      this.inject({ kind: "write", name: basename(path), at, length }) ??
      (this.#isFull(inode, at + length) ? { code: "ENOSPC" } : null);
    const count = fault !== null && "shortBy" in fault ? Math.max(0, length - fault.shortBy) : length;
    const write = { inode, bytes: Buffer.from(source.subarray(0, count)), at };
    this.#writes.add(write);
    this.#later(() => {
      if (this.#step()) return;
      this.#writes.delete(write);
      this.#apply(write, "cached", count);
      if (fault !== null && "code" in fault) {
        // The page cache shows what the disk may not have, and no later sync will write it.
        this.#tear(write);
        onWritten(systemError(fault.code, path), 0);
      } else {
        this.#apply(write, "durable", count);
        // A sector that is written gets another place.
        for (const sector of inode.unreadable) {
          if (sector < at + count && sector + sectorBytes > at) inode.unreadable.delete(sector);
        }
        onWritten(null, count);
      }
    });
  }

  async #turn<T>(kind: DiskOperation["kind"], path: string, act: () => T): Promise<T> {
    const never = new Promise<never>(() => undefined);
    if (this.#step()) return never;
    const fault = this.inject({ kind, name: basename(path), at: 0, length: 0 });
    if (fault !== null && "code" in fault) throw systemError(fault.code, path);
    const result = act();
    await new Promise<void>((resolve) => this.#later(resolve));
    return this.#step() ? never : result;
  }

  /** One turn of the loop later, or a few. */
  #later(act: () => void): void {
    if (this.random() < 0.7) this.#laterOnce(act);
    else this.#laterOnce(() => this.#later(act));
  }

  /** Counts a step; true when there are no more. */
  #step(): boolean {
    if (this.#hasCrashed) return true;
    this.steps++;
    if (this.steps < this.#crashAt) return false;
    this.crash();
    return true;
  }

  /** Whether there is no room for the file to become so long. */
  #isFull(inode: Inode, length: number): boolean {
    if (this.capacityBytes === Infinity || length <= inode.cached.length) return false;
    return this.usedBytes + length - inode.cached.length > this.capacityBytes;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  }

  #changeNames(change: NameChange): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  #beginning(length: number): number {
    const choice = this.random();
    if (choice < 0.3) return 0;
    return choice < 0.6 ? length : Math.floor(this.random() * length);
  }

  #apply(write: WriteUnderWay, to: "cached" | "durable", count: number): void {
    const { inode, bytes, at } = write;
    inode[to] = resized(inode[to], Math.max(inode[to].length, at + count));
    bytes.copy(inode[to], at, 0, count);
  }

  /** Puts any set of the write's sectors on the disk. */
  #tear(write: WriteUnderWay): void {
    const { inode, bytes, at } = write;
    const share = this.random();
    const end = at + bytes.length;
    const whole = resized(inode.durable, Math.max(inode.durable.length, end));
    let length = inode.durable.length;
    for (let from = at; from < end;) {
      const to = Math.min(end, from - (from % sectorBytes) + sectorBytes);
      if (this.random() < share) {
        bytes.copy(whole, from, from - at, to - at);
        length = Math.max(length, to);
      }
      from = to;
    }
    inode.durable = whole.subarray(0, length);
  }
}

/** A generator of numbers in [0, 1) that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** The names in a directory: of the files there, and of directories that hold some. */
function namesUnder(paths: readonly string[], directory: string): string[] {
  const below = paths.filter((path) => path.startsWith(`${directory}/`));
  return [...new Set(below.map((path) => path.slice(directory.length + 1).split("/", 1)[0]))];
}

function resized(bytes: Buffer, length: number): Buffer {
  if (bytes.length === length) return bytes;
  const copy = Buffer.alloc(length);
  bytes.copy(copy);
  return copy;
}

function systemError(code: string, path: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: simulated, '${path}'`);
  error.code = code;
  return error;
}
