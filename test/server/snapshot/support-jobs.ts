/** Who puts records into a snapshot that a thread writes, and takes them from one that a thread reads. */
import type { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import type { SnapshotJob } from "../../../server/snapshot/snapshot-job.ts";

/** A job, and the wish to go on when there is room. */
export class Producer {
  readonly job: SnapshotJob;
  timesFull = 0;
  #onRoom = (): void => {};

  constructor(
    directory: SnapshotDirectory,
    position: number,
    startThread?: Parameters<SnapshotDirectory["write"]>[1]["startThread"],
  ) {
    this.job = directory.write(position, { onRoom: () => this.#onRoom(), ...(startThread && { startThread }) });
  }

  /** Puts them in as there is room, until all are in or there will be no snapshot. */
  async put(records: Iterable<Uint8Array>): Promise<void> {
    for (const record of records) {
      while (!this.job.hasRoom) {
        this.timesFull++;
        const room = new Promise<void>((resolve) => {
          this.#onRoom = resolve;
        });
        await Promise.race([room, this.job.ended]);
        if (this.job.failure !== null) return;
      }
      const bytes = 4 + record.length;
      const memory = this.job.reserve(bytes);
      memory.writeUInt32LE(record.length);
      memory.set(record, 4);
      this.job.commit(bytes, 1, record);
    }
  }
}

/** All records, copied, and what is kept beside them. */
export async function takeAll(
  directory: SnapshotDirectory,
  position: number,
): Promise<{ records: Buffer[]; meta: unknown }> {
  const reading = directory.read(position);
  const { meta } = await reading.opened();
  const records: Buffer[] = [];
  for await (const body of reading.chunks()) {
    for (let at = 0; at < body.length;) {
      const start = at + 4;
      at = start + body.readUInt32LE(at);
      records.push(Buffer.from(body.subarray(start, at)));
    }
  }
  return { records, meta };
}
