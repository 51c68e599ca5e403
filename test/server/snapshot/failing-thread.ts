/* A thread that writes a snapshot, and has a mistake: with the third message it throws or ends, as it was told. */
import { parentPort, workerData } from "node:worker_threads";

let messages = 0;
parentPort?.on("message", () => {
  messages++;
  if (messages !== 3) return;
  if (workerData.mistake === "throws") throw new TypeError("a mistake");
  process.exit(0);
});

await import("../../../server/snapshot/write-thread.ts");
