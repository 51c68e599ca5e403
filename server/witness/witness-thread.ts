/** The thread of a witness: makes a keyspace of its own of what it is given, and says whether another one is the same. */
import assert from "node:assert/strict";
import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { Keyspace } from "../../partitions/keyspace.ts";
import type { SnapshotLoader } from "../../partitions/walk/snapshot-loader.ts";
import type { PartitionSettings } from "../config/partition-settings.ts";
import { executeRecord } from "../engine/execute-record.ts";
import { partitionMapOf } from "../engine/partition-map-of.ts";
import { Comparison } from "./comparison.ts";
import { COMPACTION_ENTRIES, WITNESS_NICENESS } from "./limits.ts";
import type { FromWitness, ToWitness } from "./messages.ts";

const RECORD_LENGTH_BYTES = 4;

const port = parentPort;
assert(port !== null, "it runs as a thread");
const partitions: PartitionSettings = workerData;
const keyspace = new Keyspace({ partitionMap: partitionMapOf(partitions) });
let loader: SnapshotLoader | null = null;
let comparison: Comparison | null = null;

// Of this thread alone, which only Linux knows.
if (process.platform === "linux" && getPriority() < WITNESS_NICENESS) setPriority(WITNESS_NICENESS);

port.on("message", (message: ToWitness) => {
  take(message);
  if ("memory" in message) tell({ kind: "taken", memory: message.memory }, [message.memory]);
});

function take(message: ToWitness): void {
  switch (message.kind) {
    case "begin":
      loader = keyspace.openLoader(message.facts);
      return;
    case "versions":
      return load(bytesOf(message));
    case "records":
      endLoading();
      return execute(bytesOf(message));
    case "compare":
      endLoading();
      return compare(message.facts);
    case "images":
      return comparison?.take(bytesOf(message));
    case "end":
      assert(comparison !== null, "it ends what was begun");
      return tell({ kind: "seen", difference: comparison.end() });
  }
}

function bytesOf({ memory, length }: { readonly memory: ArrayBuffer; readonly length: number }): Buffer {
  return Buffer.from(memory, 0, length);
}

function load(images: Buffer): void {
  assert(loader !== null, "a snapshot has facts");
  for (let at = 0; at < images.length;) at = loader.add(images, at, Number.POSITIVE_INFINITY);
}

function endLoading(): void {
  if (loader === null) return;
  while (!loader.finish());
  loader = null;
}

function execute(records: Buffer): void {
  for (let at = 0; at < records.length;) {
    const start = at + RECORD_LENGTH_BYTES;
    at = start + records.readUInt32LE(at);
    executeRecord(keyspace, records.subarray(start, at));
  }
  while (!keyspace.compactStep(COMPACTION_ENTRIES));
}

function compare(facts: ConstructorParameters<typeof Comparison>[1]): void {
  const own = keyspace.openSnapshot();
  assert(own !== null, "every record was executed to its end");
  comparison = new Comparison(own, facts);
}

function tell(message: FromWitness, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
