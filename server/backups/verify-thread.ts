/** A thread that reads a backup (verify-backup.ts), behind all others. */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { verifyBackup } from "./verify-backup.ts";

const NICENESS = 10;

const port = parentPort;

try {
  // On Linux it is this thread's alone.
  setPriority(0, NICENESS);
} catch {
  // Then it has that of all.
}
let failure: string | null = null;
try {
  // Cast: it is what it is started with.
  verifyBackup(workerData as string);
} catch (error) {
  failure = error instanceof Error ? error.message : String(error);
}
port?.postMessage(failure);
