/** A store that is killed while it is written to: nothing that anybody was told is taken back or told otherwise. */
import { describe, expect, test } from "vitest";
import { EtcdClient, eventsOf, eventText, keyValues } from "../support/etcd-client.ts";
import { prefixEnd, prefixWatch, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { crash, currentRevision, revisionOf } from "./answers.ts";

const UNAVAILABLE = 14;
const writers = 12;
/** So many writes are acknowledged before each kill. */
const writesBeforeKill = 300;
const kills = 3;

// The stores wait side by side.
describe.concurrent("crash", () => {
  describeStores("of", (start) => {
    const shared = new SharedStore(start);

    /** What was told before the kill: by acknowledgements, by a watch and to a reader. Each is the event's text. */
    interface Told {
      readonly acknowledged: Set<string>;
      readonly watched: Set<string>;
      readonly read: Set<string>;
    }

    /** Writes, watches and reads at once until the store is killed in the midst of it. */
    async function untilKilled(round: number): Promise<Told> {
      const told: Told = { acknowledged: new Set(), watched: new Set(), read: new Set() };
      const { url } = shared.store;
      const [writer, watcher, reader] = await Promise.all([url, url, url].map((each) => EtcdClient.connect(each)));
      const enough = Promise.withResolvers<void>();
      const write = async (name: number): Promise<unknown> => {
        try {
          for (let i = 0; ; i++) {
            const [key, value] = [`crash/${name}`, `${round}/${i}`];
            const revision = revisionOf(await writer.put(putRequest(key, value)));
            told.acknowledged.add(`PUT ${key}=${value} @${revision}`);
            if (told.acknowledged.size === writesBeforeKill) enough.resolve();
          }
        } catch (error) {
          return error;
        }
      };
      const watch = async (): Promise<unknown> => {
        const stream = watcher.watch();
        try {
          await stream.create(prefixWatch("crash/"));
          for (;;) for (const event of eventsOf(await stream.next())) told.watched.add(eventText(event));
        } catch {
          return await stream.ended;
        }
      };
      const read = async (): Promise<unknown> => {
        try {
          for (;;) {
            const { kvs } = await reader.range(rangeRequest("crash/", { rangeEnd: prefixEnd("crash/") }));
            for (const { key, value, modRevision } of keyValues(kvs)) {
              told.read.add(`PUT ${key.toString()}=${value.toString()} @${modRevision}`);
            }
          }
        } catch (error) {
          return error;
        }
      };
      const ends = [...Array.from({ length: writers }, (_, name) => write(name)), watch(), read()];
      await enough.promise;
      await crash(shared);
      // What became of the writes on their way is open, and they were told nothing else.
      for (const end of await Promise.all(ends)) expect(end).toMatchObject({ code: UNAVAILABLE });
      return told;
    }

    test("OC-02 OC-03 MV-10 §3.3: after a kill under load everything is there that was acknowledged, watched or read, at its revision", async () => {
      const first = (await currentRevision(shared.client)) + 1;
      const { raftTerm } = await shared.client.status();
      const told: Told[] = [];
      for (let round = 0; round < kills; round++) {
        told.push(await untilKilled(round));
        // The next revision is behind all that was told, and takes the place of none of it.
        await shared.put("crash/between", String(round));
      }
      const last = await currentRevision(shared.client);
      // Each start is another reign.
      expect((await shared.client.status()).raftTerm).toBeGreaterThanOrEqual(raftTerm + kills);
      const stream = shared.client.watch();
      await stream.create(prefixWatch("crash/", { startRevision: first }));
      const history = (await stream.nextEvents(last - first + 1)).map(eventText);
      // Every write takes one revision.
      expect(history.map((text) => Number(text.split("@")[1]))).toEqual(history.map((_, i) => first + i));
      const happened = new Set(history);
      for (const { acknowledged, watched, read } of told) {
        expect([...acknowledged].filter((text) => !happened.has(text))).toEqual([]);
        expect([...watched].filter((text) => !happened.has(text))).toEqual([]);
        expect([...read].filter((text) => !happened.has(text))).toEqual([]);
        expect(Math.min(watched.size, read.size)).toBeGreaterThan(writers);
      }
    });
  });
});
