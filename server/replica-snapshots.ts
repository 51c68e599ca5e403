/** Snapshots beside a replica: servers put them there and take them away; here it is known which there are, and told. */
import path from "node:path";
import type { FileIntake, FileStore } from "../journal/quorum/file-store.ts";
import type { Logger } from "./host/logger.ts";
import { SNAPSHOTS_NAME } from "./own-zones.ts";
import { SnapshotDirectory } from "./snapshot/snapshot-directory.ts";
import { SnapshotFiles } from "./snapshot/snapshot-files.ts";

export class ReplicaSnapshots implements FileStore {
  readonly #files: SnapshotFiles;
  readonly #logger: Logger;
  /** Positions of those that are complete, as far as they were looked at. */
  #positions: readonly number[] = [];

  constructor(directory: string, clusterId: string, logger: Logger) {
    const snapshots = new SnapshotDirectory({ directory: path.join(directory, SNAPSHOTS_NAME), clusterId });
    this.#files = new SnapshotFiles(snapshots, clusterId);
    this.#logger = logger;
    this.list().catch((error: unknown) => logger.warn({ error }, "the snapshots beside the replica cannot be listed"));
  }

  /** Position of the newest; 0 for none. */
  get newest(): number {
    return Math.max(0, ...this.#positions);
  }

  get count(): number {
    return this.#positions.length;
  }

  async list(): Promise<readonly number[]> {
    this.#positions = await this.#files.list();
    return this.#positions;
  }

  mark(position: number): Promise<Buffer> {
    return this.#files.mark(position);
  }

  read(position: number, offset: number): Promise<Buffer> {
    return this.#files.read(position, offset);
  }

  async begin(position: number, mark: Buffer): Promise<FileIntake> {
    const taking = await this.#files.begin(position, mark);
    return {
      write: (bytes) => taking.write(bytes),
      complete: async () => {
        await taking.complete();
        await this.list();
        this.#logger.info({ position }, "a snapshot lies beside the replica");
      },
      abandon: () => taking.abandon(),
    };
  }

  async remove(position: number): Promise<void> {
    await this.#files.remove(position);
    await this.list();
    this.#logger.info({ position }, "a snapshot beside the replica was removed");
  }
}
