/**
 * Clients that do not read for half a minute, with more than 100 MB to come for each: they cost the server little, delay
 * nobody, and lose nothing but what was compacted. What "little" and "delay" mean is measured on the same store, under
 * the same writes, while these clients still read. Times are printed; what is asserted are relations to those.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import type { LeanClientOptions } from "../../bench/client/lean-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixWatch } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const valueBytes = 128 * 1024;
const writes = 820;
const writtenBytes = valueBytes * writes;
const silenceMs = 30_000;

const UNAVAILABLE = 14;
const smallWindows = { streamWindow: 65_535, connectionWindow: 65_535 };

/** Nobody may have to wait so long for an event, on any machine. */
const standstillMs = 1_000;
/** What the scheduler of a busy machine adds to anything. */
const jitterMs = 20;

interface Reader {
  readonly client: EtcdClient;
  readonly stream: WatchStream;
}

// The stores wait side by side.
describe.concurrent("watch: slow readers", () => {
  describeStores("of", (start, name) => {
    const shared = new SharedStore(start);
    const value = Buffer.alloc(valueBytes, "v").toString();

    /** A connection of its own with a watch that wants events of twice the value's size. */
    async function watchSlowly(options: LeanClientOptions, startRevision = 0): Promise<Reader> {
      const client = await EtcdClient.connect(shared.store.url, options);
      const stream = client.watch();
      await stream.create(prefixWatch("slow/", { prevKv: true, startRevision }));
      return { client, stream };
    }

    /** Takes the events of the revisions up to `last`: each of them once, in order, with the value before. */
    async function takeAll(reader: Reader, first: number, last: number, isNew: boolean): Promise<void> {
      let { stream } = reader;
      for (let revision = first; revision <= last;) {
        const response = await stream.next().catch(async (error: unknown) => {
          // etcd gives up a connection that takes nothing for 20 s. Its client comes back and goes on.
          if (name === "plinth" || (await stream.ended).code !== UNAVAILABLE) throw error;
          ({ stream } = await watchSlowly({}, revision));
          return stream.next();
        });
        expect(response.canceled).toBe(false);
        for (const { kv, prevKv } of eventsOf(response)) {
          expect([kv?.modRevision, kv?.value.length]).toEqual([revision, valueBytes]);
          const before = isNew && revision === first ? undefined : valueBytes;
          expect(prevKv?.value.length).toBe(before);
          revision++;
        }
      }
    }

    /** The milliseconds from each of many writes to its event at a watch that is read. */
    async function writeAll(healthy: WatchStream): Promise<number[]> {
      const times: number[] = [];
      for (let i = 0; i < writes; i++) times.push(await writeOne(healthy, "slow/a", value));
      return times;
    }

    async function writeOne(reader: WatchStream, key: string, text: string): Promise<number> {
      const startedMs = performance.now();
      const revision = await shared.put(key, text);
      const [event] = await reader.nextEvents(1);
      expect(event.kv?.modRevision).toBe(revision);
      return performance.now() - startedMs;
    }

    test(
      "§8.8 GR-07 WO-01 CO-08: who stops reading costs bounded memory, delays nobody, and loses events to compaction only",
      { timeout: 240_000 },
      async () => {
        // One whose socket fills up, and two that give the server little credit.
        const deaf = await watchSlowly({});
        const withoutCredit = await watchSlowly(smallWindows);
        const late = await watchSlowly(smallWindows);
        const readers = [deaf, withoutCredit, late];
        const healthy = shared.client.watch();
        await healthy.create(prefixWatch("slow/"));
        // On the connection of one that gives no credit for its stream, other streams go on.
        const neighbour = withoutCredit.client.watch();
        await neighbour.create(prefixWatch("small/"));

        const opening = (await shared.revision()) + 1;
        const rested = await residentBytes(shared.store.pid);
        const reading = readers.map((reader) => takeAll(reader, opening, opening + writes - 1, true));
        const timesBefore = await writeAll(healthy);
        await Promise.all(reading);
        const before = await residentBytes(shared.store.pid);

        deaf.client.lean.pauseReading();
        withoutCredit.stream.stream.pause();
        late.stream.stream.pause();
        const silentSinceMs = performance.now();
        const first = opening + writes;
        const last = first + writes - 1;
        const times = await writeAll(healthy);
        const grown = (await residentBytes(shared.store.pid)) - before;
        // It is the time that a server might lose its patience over.
        const timesAfter: number[] = [];
        do {
          timesAfter.push(await writeOne(neighbour, "small/a", ""));
          await delay(100);
        } while (performance.now() - silentSinceMs < silenceMs);

        const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
        console.log(
          [
            `${name}: ${megabytes(writtenBytes)} MB written while all read: +${megabytes(before - rested)} MB of memory,`,
            `while three do not: +${megabytes(grown)} MB`,
          ].join(" "),
          [timesBefore, times, timesAfter].map((each) => `p50=${quantile(each, 0.5)} p90=${quantile(each, 0.9)} ms`),
        );
        // History is kept in memory, once. Each of the three has twice as much to come, and no copy of it is kept: what is resident
        // differs by half of one from run to run.
        if (name === "plinth") expect(grown).toBeLessThan(before - rested + writtenBytes);
        for (const each of [times, timesAfter]) {
          expect(quantile(each, 0.5)).toBeLessThan(3 * quantile(timesBefore, 0.5) + jitterMs);
          expect(quantile(each, 0.9)).toBeLessThan(standstillMs);
        }

        deaf.client.lean.resumeReading();
        withoutCredit.stream.stream.resume();
        const present = await shared.revision();
        for (const reader of [deaf, withoutCredit]) await takeAll(reader, first, last, false);
        expect((await withoutCredit.stream.progress()).header?.revision).toBe(present);

        await shared.client.compact({ revision: present, physical: true });
        late.stream.stream.resume();
        let next = first;
        for (;;) {
          const response = await late.stream.next();
          for (const { kv } of eventsOf(response)) expect(kv?.modRevision).toBe(next++);
          if (!response.canceled) continue;
          expect(response).toMatchObject({ watchId: 0, compactRevision: present, cancelReason: "", events: [] });
          break;
        }
        expect(next).toBeLessThan(last);
        for (const { client } of readers) client.lean.destroy();
      },
    );
  });
});

function quantile(times: readonly number[], share: number): number {
  return Math.round(times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))]);
}

/** The memory that a process has now. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error("a running process has a resident size");
  return Number(kilobytes) * 1024;
}
