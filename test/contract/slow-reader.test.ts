/** Clients that do not read: they cost the server little, disturb nobody, and lose nothing but what was compacted. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixWatch } from "../support/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const valueBytes = 128 * 1024;
const writes = 320;

interface Reader {
  readonly client: EtcdClient;
  readonly stream: WatchStream;
}

describeStores("watch: slow readers", (start, name) => {
  const shared = new SharedStore(start);

  /** A connection of its own that gives the server little credit. Its watch wants events of twice the value's size. */
  async function watchSlowly(): Promise<Reader> {
    const client = await EtcdClient.connect(shared.store.url, { streamWindow: 65_535, connectionWindow: 65_535 });
    const stream = client.watch();
    await stream.create(prefixWatch("slow/", { prevKv: true }));
    return { client, stream };
  }

  test("§8.8 GR-07 WO-01: who stops reading is waited for with bounded memory, and loses events to compaction only", async () => {
    const readers = [await watchSlowly(), await watchSlowly(), await watchSlowly()];
    const [deaf, withoutCredit, late] = readers;
    deaf.client.lean.pauseReading();
    withoutCredit.stream.stream.pause();
    late.client.lean.pauseReading();
    const healthy = shared.client.watch();
    await healthy.create(prefixWatch("slow/"));
    // On the connection of one that gives no credit for its stream, other streams go on.
    const neighbour = withoutCredit.client.watch();
    await neighbour.create(prefixWatch("small/"));

    const value = Buffer.alloc(valueBytes, "v").toString();
    const before = await residentBytes(shared.store.pid);
    const first = await shared.put("slow/a", value);
    await healthy.nextEvents(1);
    for (let i = 1; i < writes; i++) {
      const revision = await shared.put("slow/a", value);
      // Nobody waits for the slow ones.
      const [event] = await healthy.nextEvents(1);
      expect(event.kv?.modRevision).toBe(revision);
    }
    const grown = (await residentBytes(shared.store.pid)) - before;
    const last = first + writes - 1;
    const small = await shared.put("small/a");
    expect((await neighbour.nextEvents(1)).map(({ kv }) => kv?.modRevision)).toEqual([small]);
    // History is kept in memory, once. Each reader has twice as much to come.
    if (name === "plinth") expect(grown).toBeLessThan(2.5 * valueBytes * writes);

    deaf.client.lean.resumeReading();
    withoutCredit.stream.stream.resume();
    for (const { stream } of [deaf, withoutCredit]) {
      for (let revision = first; revision <= last;) {
        const response = await stream.next();
        expect(response.canceled).toBe(false);
        for (const { kv, prevKv } of eventsOf(response)) {
          expect(kv?.modRevision).toBe(revision);
          expect(prevKv?.modRevision).toBe(revision === first ? undefined : revision - 1);
          revision++;
        }
      }
      expect((await stream.progress()).header?.revision).toBe(small);
    }

    await shared.client.compact({ revision: small, physical: true });
    late.client.lean.resumeReading();
    let next = first;
    for (;;) {
      const response = await late.stream.next();
      for (const { kv } of eventsOf(response)) expect(kv?.modRevision).toBe(next++);
      if (!response.canceled) continue;
      expect(response).toMatchObject({ watchId: 0, compactRevision: small, cancelReason: "" });
      break;
    }
    expect(next).toBeLessThan(small);
    for (const { client } of readers) client.lean.destroy();
  });
});

/** The memory that a process has now. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error("a running process has a resident size");
  return Number(kilobytes) * 1024;
}
