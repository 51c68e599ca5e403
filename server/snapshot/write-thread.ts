/** The thread that writes a snapshot (snapshot-job.ts): as fast as it is told, behind all others, and until it is stopped. */
import assert from "node:assert/strict";
import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock, systemWallMs } from "../clock.ts";
import { READING_COST, WRITING_NICENESS, WRITTEN_BYTES_TOLD } from "./limits.ts";
import { Pace } from "./pace.ts";
import { cancelled, ioError } from "./snapshot-error.ts";
import { SnapshotWriter } from "./snapshot-writer.ts";
import { StopFlag } from "./stop-flag.ts";
import { failureOf } from "./thread-messages.ts";
import type { FromWriter, ToWriter, WritingOrders } from "./thread-messages.ts";

const { directory, position, clusterId, bytesPerSecond, stop: shared }: WritingOrders = workerData;
const port = parentPort;
assert(port !== null, "it runs as a thread");
const stop = new StopFlag(shared);
const pace = new Pace(systemClock, stop, bytesPerSecond);
let writer: SnapshotWriter | null = null;
/** It has completed or failed. What was on its way to it may still come, as a port that is closed gives what it has. */
let isOver = false;
let taken: ArrayBuffer[] = [];
let takenBytes = 0;

// Of this thread alone, which only Linux knows.
if (process.platform === "linux" && getPriority() < WRITING_NICENESS) setPriority(WRITING_NICENESS);

stop.work(() => attempt(begin));
port.on("message", (message: ToWriter) => stop.work(() => attempt(() => take(message))));

function begin(): void {
  if (stop.isSet) throw cancelled(directory);
  const onWritten = (bytes: number): void => spend(bytes);
  const onRead = (bytes: number): void => spend(bytes * READING_COST);
  writer = new SnapshotWriter({ directory, position, clusterId, wallMs: systemWallMs, onWritten, onRead });
}

function take(message: ToWriter): void {
  if (stop.isSet) throw cancelled(directory);
  assert(writer !== null, "who has failed takes nothing");
  switch (message.kind) {
    case "chunk": {
      const { memory, length, count, label } = message;
      writer.write(Buffer.from(memory, 0, length), count, Buffer.from(label, "latin1"));
      return giveBack(memory);
    }
    case "complete": {
      const info = writer.complete(message.meta);
      return end({ kind: "completed", info });
    }
    case "stop":
      throw cancelled(directory);
  }
}

function giveBack(memory: ArrayBuffer): void {
  taken.push(memory);
  takenBytes += memory.byteLength;
  if (takenBytes < WRITTEN_BYTES_TOLD) return;
  tell({ kind: "taken", memories: taken }, taken);
  taken = [];
  takenBytes = 0;
}

function spend(units: number): void {
  if (!stop.isSet) pace.spend(units);
  if (stop.isSet) throw cancelled(directory);
}

/** What fails takes away what it wrote, says why, and is the last that was done. */
function attempt(act: () => void): void {
  if (isOver) return;
  try {
    act();
  } catch (error) {
    const failure = ioError(directory, "writing", error);
    cleanUp();
    end(failureOf(failure));
  }
}

function end(last: FromWriter): void {
  isOver = true;
  tell(last);
  port?.close();
}

function cleanUp(): void {
  try {
    writer?.cancel();
  } catch {
    // On a disk that has failed. Without a mark it is no snapshot, and the next start takes it away.
  }
}

function tell(message: FromWriter, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
