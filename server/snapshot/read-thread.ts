/**
 * The thread that reads a snapshot (snapshot-reading.ts): it checks the file, then checks and decompresses chunks ahead of who
 * takes them.
 */
import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { CHUNK_BYTES, READING_BYTES_MAX } from "./limits.ts";
import { cancelled, ioError } from "./snapshot-error.ts";
import { SnapshotFile } from "./snapshot-file.ts";
import { StopFlag } from "./stop-flag.ts";
import { failureOf } from "./thread-messages.ts";
import type { FromReader, ReadingOrders, ToReader } from "./thread-messages.ts";

const { directory, position, clusterId, stop: shared }: ReadingOrders = workerData;
const port = parentPort;
assert(port !== null, "it runs as a thread");
const stop = new StopFlag(shared);
const pool: ArrayBuffer[] = [];
let bytesAhead = 0;
let onTold = (): void => {};

port.on("message", (message: ToReader) => {
  if (message.kind === "taken") {
    for (const memory of message.memories) {
      bytesAhead -= memory.byteLength;
      if (memory.byteLength === CHUNK_BYTES) pool.push(memory);
    }
    assert(bytesAhead >= 0, "no more comes back than was sent");
  }
  onTold();
});

try {
  await read();
  tell({ kind: "ended" });
} catch (error) {
  tell(failureOf(ioError(directory, "reading", error)));
} finally {
  port.close();
}

async function read(): Promise<void> {
  const snapshot = SnapshotFile.open({ directory, position, clusterId, onChecked: refuseWhenStopped });
  try {
    tell({ kind: "opened", info: snapshot.info, meta: snapshot.contents.meta });
    for (const { body } of snapshot.chunks()) {
      const memory = memoryFor(body.length);
      body.copy(Buffer.from(memory));
      bytesAhead += memory.byteLength;
      tell({ kind: "chunk", memory, length: body.length }, [memory]);
      refuseWhenStopped();
      while (isFarAhead()) await told();
    }
  } finally {
    snapshot.close();
  }
}

function isFarAhead(): boolean {
  return bytesAhead >= READING_BYTES_MAX;
}

/** Until something is heard, and it is not to stop. */
async function told(): Promise<void> {
  await new Promise<void>((resolve) => {
    onTold = resolve;
  });
  refuseWhenStopped();
}

function memoryFor(bytes: number): ArrayBuffer {
  return bytes > CHUNK_BYTES ? new ArrayBuffer(bytes) : (pool.pop() ?? new ArrayBuffer(CHUNK_BYTES));
}

function refuseWhenStopped(): void {
  if (stop.isSet) throw cancelled(directory);
}

function tell(message: FromReader, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
