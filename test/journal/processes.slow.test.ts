/** Replicas, writers and standbys as processes of their own, and what becomes of the journal when they die or stand still. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { openJournalStore } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { readTexts } from "./journal-contract.ts";
import { ReplicaProcess, Started } from "./processes/start.ts";
import type { TcpStore } from "./tcp-zones.ts";
import { untilPassed } from "./tcp-zones.ts";

/** Each process takes its time to begin on a machine that has much to do. */
const LONG = { timeout: 240_000 };

let parent: string;
let replicas: ReplicaProcess[] = [];
let writers: Started[] = [];
let stores: TcpStore[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "journal-processes-"));
  replicas = await Promise.all(["a", "b", "c"].map((zone) => ReplicaProcess.start(zone, parent)));
  writers = [];
  stores = [];
});

afterEach(async () => {
  for (const store of stores) await store.close();
  for (const writer of writers) await writer.kill();
  for (const { started } of replicas) await started.kill();
  await rm(parent, { recursive: true });
});

async function open(): Promise<TcpStore> {
  const zones = replicas.map(({ zone, port }) => ({ zone, address: { isSecure: false, host: "127.0.0.1", port } }));
  const store = await openJournalStore({ ...systemTime, zones });
  stores.push(store);
  return store;
}

async function readBack(): Promise<string[]> {
  const store = await open();
  await store.untilVacant(new AbortController().signal);
  const journal = await untilPassed(() => store.takeOver(new RecordingListener()));
  const texts = await readTexts(journal.read(1), 1);
  await journal.close();
  return texts;
}

test(
  "what was acknowledged is there, whichever replica is killed or stands still under load, and when all are",
  LONG,
  async () => {
    const store = await open();
    let appended = 0;
    let isLoaded = true;
    const journal = await untilPassed(() =>
      store.takeOver({
        onCommitted: () => isLoaded && load(),
        onFailed: (error) => expect(error).toBeNull(),
      }),
    );
    function load(): void {
      while (appended < journal.committed + 64) journal.append(Buffer.from(`${++appended} `.padEnd(400, ".")));
    }
    async function more(): Promise<void> {
      const from = journal.committed;
      await expect.poll(() => journal.committed, { timeout: 120_000 }).toBeGreaterThan(from + 500);
    }
    load();
    for (const replica of replicas) {
      await more();
      await replica.started.kill();
      await more();
      await replica.restart();
      await more();
      replica.started.child.kill("SIGSTOP");
      await more();
      replica.started.child.kill("SIGCONT");
    }
    isLoaded = false;
    await expect.poll(() => journal.committed, { timeout: 120_000 }).toBe(appended);
    await Promise.all(replicas.map((replica) => replica.restart()));
    await journal.close();
    const found = await readBack();
    expect(found).toHaveLength(appended);
    expect(found.map((text) => Number.parseInt(text, 10))).toEqual(found.map((_, i) => i + 1));
    for (const { started } of replicas) await started.kill("SIGTERM");
    for (const { directory } of replicas) await verifyDirectory(nodeDisk, directory);
  },
);

test("one writer follows the other, killed or stopped, and none loses what another was told", LONG, async () => {
  const ports = replicas.map(({ port }) => String(port));
  const startWriter = (name: string): Started => {
    const writer = new Started("writer.ts", name, ...ports);
    writers.push(writer);
    return writer;
  };
  let current = startWriter("w0");
  await current.line((line) => line.startsWith("serves"));
  let acknowledged = 0;
  for (let turn = 1; turn <= 6; turn++) {
    const next = startWriter(`w${turn}`);
    await next.line((line) => line === "waits");
    await current.line((line) => Number(line) > acknowledged + 100);
    await current.kill(turn % 2 === 0 ? "SIGKILL" : "SIGTERM");
    acknowledged = Number(current.lines.findLast((line) => Number(line) > 0));
    await next.line((line) => line.startsWith("serves"));
    current = next;
  }
  await current.line((line) => Number(line) > acknowledged);
  await current.kill();
  acknowledged = Number(current.lines.findLast((line) => Number(line) > 0));
  const found = await readBack();
  expect(found.length).toBeGreaterThanOrEqual(acknowledged);
  expect(found.map((text) => Number.parseInt(text, 10))).toEqual(found.map((_, i) => i + 1));
});
