/** Where snapshots lie: in directories of this process, and beside replicas in others, which are reached over connections for files. */
import { JournalError } from "../journal/journal.ts";
import type { FileStore } from "../journal/quorum/file-store.ts";
import type { Clock } from "./clock.ts";
import type { SnapshotSource } from "./snapshot/move-snapshot.ts";
import { moveSnapshot } from "./snapshot/move-snapshot.ts";
import type { ListedSnapshot } from "./snapshot/snapshot-directory.ts";
import { SnapshotDirectory } from "./snapshot/snapshot-directory.ts";
import { SnapshotError, zoneFailed } from "./snapshot/snapshot-error.ts";
import { checkMark } from "./snapshot/snapshot-file.ts";
import { SnapshotFiles } from "./snapshot/snapshot-files.ts";
import { decodeMark } from "./snapshot/snapshot-mark.ts";

export interface SnapshotZone {
  readonly zone: string;
  /** Where its snapshots are to lie; made when there is none. */
  readonly directory: string;
  /** Whether it is a zone of the journal's; true unless given. */
  readonly counts?: boolean;
}

/** What a zone elsewhere keeps, as long as the connection lasts. */
export interface FarFiles extends FileStore {
  close(): void;
}

/** @param epoch of the reign that asks; 0: it only reads */
export type OpenFiles = (zone: string, epoch: number, signal: AbortSignal) => Promise<FarFiles>;

export class NearZone {
  readonly name: string;
  /** Whether a snapshot that lies here is in a zone of the journal's. */
  readonly counts: boolean;
  readonly directory: SnapshotDirectory;
  readonly files: SnapshotFiles;
  /** Positions of those that are damaged. */
  readonly damaged = new Set<number>();

  constructor({ zone, directory, counts = true }: SnapshotZone, clusterId: string) {
    this.name = zone;
    this.counts = counts;
    this.directory = new SnapshotDirectory({ directory, clusterId });
    this.files = new SnapshotFiles(this.directory, clusterId);
  }

  list(): Promise<ListedSnapshot[]> {
    return this.directory.list();
  }

  remove(position: number): Promise<void> {
    return this.directory.remove(position);
  }
}

/** How a zone elsewhere is, for people. */
export interface FarZoneStatus {
  readonly zone: string;
  /** Of the newest that it was heard to have; null for none. */
  readonly position: number | null;
  /** Of one that it is given: bytes that are there, and all. */
  readonly copying: { readonly bytes: number; readonly of: number } | null;
  /** Why it was not given the last; null when it was. */
  readonly failure: string | null;
}

export interface FarZoneOptions {
  readonly zone: string;
  readonly clusterId: string;
  readonly openFiles: OpenFiles;
  /** Of the reign of this process; 0 while it has none. */
  readonly epoch: () => number;
  /** How fast it is given one. */
  readonly bytesPerSecond: number;
  readonly clock: Clock;
  /** So many bytes more were given to the zone. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export class FarZone {
  readonly name: string;
  readonly counts = true;
  readonly damaged = new Set<number>();
  readonly #options: FarZoneOptions;
  #position: number | null = null;
  #copying: FarZoneStatus["copying"] = null;
  failure: Error | null = null;
  /** One is given at a time. */
  #giving: Promise<unknown> = Promise.resolve();

  constructor(options: FarZoneOptions) {
    this.name = options.zone;
    this.#options = options;
  }

  get status(): FarZoneStatus {
    return {
      zone: this.name,
      position: this.#position,
      copying: this.#copying,
      failure: this.failure?.message ?? null,
    };
  }

  list(): Promise<ListedSnapshot[]> {
    const { epoch, clusterId } = this.#options;
    return this.use(epoch(), async (files) => {
      const listed: ListedSnapshot[] = [];
      for (const position of await files.list()) {
        const path = `zone ${this.name}, snapshot ${position}`;
        try {
          const { info } = checkMark(path, decodeMark(path, await files.mark(position)), position, clusterId);
          listed.push({ position, info, error: null });
        } catch (error) {
          if (!(error instanceof SnapshotError)) throw error;
          listed.push({ position, info: null, error });
        }
      }
      const sound = listed.filter(({ error }) => error === null).map(({ position }) => position);
      this.#position = sound.length === 0 ? null : Math.max(...sound);
      return listed;
    });
  }

  remove(position: number): Promise<void> {
    return this.use(this.#options.epoch(), (files) => files.remove(position));
  }

  /**
   * Gives it a snapshot, at its rate, unless it has it.
   *
   * @returns whether it had none of that position
   * @throws SnapshotError
   */
  give(position: number, source: SnapshotSource, epoch: number): Promise<boolean> {
    const giving = this.#giving.then(() => this.#give(position, source, epoch));
    this.#giving = giving.catch(() => undefined);
    return giving;
  }

  /** Opens a connection for what is to be done, and closes it. @throws SnapshotError */
  async use<T>(epoch: number, act: (files: FarFiles) => Promise<T>): Promise<T> {
    const { openFiles, signal } = this.#options;
    let files: FarFiles | null = null;
    try {
      files = await openFiles(this.name, epoch, signal);
      return await act(files);
    } catch (error) {
      throw error instanceof JournalError ? zoneFailed(this.name, error) : error;
    } finally {
      files?.close();
    }
  }

  #give(position: number, source: SnapshotSource, epoch: number): Promise<boolean> {
    const { bytesPerSecond, clock, onBytes } = this.#options;
    return this.use(epoch, async (files) => {
      if (!this.damaged.has(position) && (await files.list()).includes(position)) return false;
      let told = 0;
      try {
        await moveSnapshot(source, files, {
          position,
          bytesPerSecond,
          clock,
          from: `snapshot ${position}`,
          onMoved: (bytes, of) => {
            this.#copying = { bytes, of };
            onBytes(bytes - told);
            told = bytes;
          },
        });
      } finally {
        this.#copying = null;
      }
      this.damaged.delete(position);
      this.#position = Math.max(position, this.#position ?? 0);
      return true;
    });
  }
}
