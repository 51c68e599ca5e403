/**
 * Maintenance.Snapshot: the keyspace as an etcd's database, in messages as etcd sends them, and behind it the SHA-256 of all of it
 * as one more. It is made in slices as the client takes it: what is kept of it is the chunks of one slice, which are used again.
 *
 * While it lasts nothing that it needs is removed by compaction. A client that takes nothing for a while is ended by the transport,
 * and few may be open at a time.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { OK } from "../../proto/grpc-codes.ts";
import { snapshotRequest } from "../../proto/rare.ts";
import { snapshotResponseParts } from "../../proto/responses.ts";
import { ChunkWriter } from "../bolt/chunk-writer.ts";
import type { Turns } from "../clock.ts";
import { TOO_MANY_REQUESTS } from "../engine/refusals.ts";
import type { Backup } from "../etcd-backup/backup.ts";
import { BACKUP_VERSION } from "../etcd-backup/schema.ts";
import { SNAPSHOT_BLOB_BYTES, SNAPSHOT_SLICE_BYTES, SNAPSHOT_SLICE_LOOKS, SNAPSHOTS_OPEN_MAX } from "../limits.ts";
import type { ServerStreamMethod, StreamCall, StreamListener } from "../transport/service.ts";
import type { Callers } from "./callers.ts";
import { ended, serverStreamMethod } from "./method.ts";

export interface SnapshotContext {
  readonly turns: Turns;
  readonly callers: Callers;
}

/** @param begin begins a backup of what there is now */
export function snapshotMethod({ turns, callers }: SnapshotContext, begin: () => Backup): ServerStreamMethod {
  let open = 0;
  return serverStreamMethod("/etcdserverpb.Maintenance/Snapshot", snapshotRequest.decode, (call) => {
    const refused = callers.refuseAdmin(call);
    if (refused !== null) return ended(call, refused);
    if (open === SNAPSHOTS_OPEN_MAX) return ended(call, TOO_MANY_REQUESTS);
    open++;
    return new SnapshotStream(call, begin(), turns, () => void open--);
  });
}

/** A part of the file that has been made and not been sent. */
interface Chunk {
  readonly memory: Buffer;
  readonly bytes: number;
}

class SnapshotStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #backup: Backup;
  readonly #turns: Turns;
  readonly #onClosed: () => void;
  readonly #hash = createHash("sha256");
  /** In their order. There are more than those of a slice when a value is longer than one. */
  #made: Chunk[] = [];
  /** Those of them that have been sent. */
  #sent = 0;
  /** Those that the transport has taken. */
  readonly #free: Buffer[] = [];
  #bytesLeft = 0;
  #isPlanned = false;
  #isMade = false;
  #isScheduled = false;

  constructor(call: StreamCall, backup: Backup, turns: Turns, onClosed: () => void) {
    this.#call = call;
    this.#backup = backup;
    this.#turns = turns;
    this.#onClosed = onClosed;
    this.#goOnLater();
  }

  onMessage(): void {}

  onHalfClose(): void {}

  onDrain(): void {
    this.#goOnLater();
  }

  onClose(): void {
    this.#backup.release();
    this.#made = [];
    this.#onClosed();
  }

  #goOnLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#turns.later(() => {
      this.#isScheduled = false;
      if (this.#call.closed) return;
      if (this.#isPlanned) this.#goOn();
      else this.#plan();
    });
  }

  #plan(): void {
    if (this.#backup.planStep(SNAPSHOT_SLICE_LOOKS, SNAPSHOT_SLICE_BYTES)) {
      this.#isPlanned = true;
      this.#bytesLeft = this.#backup.bytes;
      this.#backup.begin(
        new ChunkWriter({
          next: () => this.#free.pop() ?? Buffer.allocUnsafeSlow(SNAPSHOT_BLOB_BYTES),
          take: (memory, bytes) => void this.#made.push({ memory, bytes }),
        }),
      );
    }
    this.#goOnLater();
  }

  /** One slice a turn. When the stream is not writable, `onDrain` comes when it is again. */
  #goOn(): void {
    if (this.#sent === this.#made.length && !this.#isMade && this.#call.writable) this.#make();
    while (this.#sent < this.#made.length && this.#call.writable) this.#sendChunk(this.#made[this.#sent++]);
    if (!this.#call.writable) return;
    if (!this.#isMade) return this.#goOnLater();
    this.#send(this.#hash.digest());
    this.#call.end({ code: OK, message: "" });
  }

  #make(): void {
    this.#made = [];
    this.#sent = 0;
    this.#isMade = this.#backup.writeStep(SNAPSHOT_SLICE_LOOKS, SNAPSHOT_SLICE_BYTES);
  }

  #sendChunk({ memory, bytes }: Chunk): void {
    const blob = memory.subarray(0, bytes);
    this.#hash.update(blob);
    this.#bytesLeft -= bytes;
    this.#send(blob, () => void this.#free.push(memory));
  }

  #send(blob: Buffer, onTaken?: () => void): void {
    const { parts, length } = snapshotResponseParts(this.#bytesLeft, blob, BACKUP_VERSION);
    this.#call.sendParts(parts, length, onTaken);
  }
}
