/**
 * Clients that lose their connection and go on where they were, as etcd's own client does: behind the last event, or
 * behind the revision of a message without events. What they get over all connections is every event, once.
 */
import { expect, test } from "vitest";
import { EVENT_PUT } from "../../proto/messages.ts";
import type { WatchCreateRequest, WatchResponse } from "../../proto/messages.ts";
import { EtcdClient, eventsOf, eventText } from "../support/etcd-client.ts";
import { del, prefixEnd, prefixWatch, put, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { pairsOf, revisionOf } from "./answers.ts";

const txns = 400;
const keys = 7;
/** After so many a client keeps its connection. */
const resumesMax = 60;

describeStores("watch: resume", (start) => {
  const shared = new SharedStore(start);

  /** Writes whole revisions of one to three events as fast as it can, and tells each event in short, in order. */
  async function write(prefix: string, onRevision: (revision: number) => void): Promise<string[]> {
    const writer = await EtcdClient.connect(shared.store.url);
    const texts: string[] = [];
    const there = new Set<string>();
    for (let i = 0; i < txns; i++) {
      const names = Array.from({ length: 1 + (i % 3) }, (_, n) => `${prefix}${(i + n) % keys}`);
      const isDelete = (name: string): boolean => i % 5 === 4 && there.has(name);
      const ops = names.map((name) => (isDelete(name) ? del(name) : put(name, String(i))));
      const revision = revisionOf(await writer.txn(txnRequest(ops)));
      for (const name of names) {
        texts.push(isDelete(name) ? `DELETE ${name} @${revision}` : `PUT ${name}=${i} @${revision}`);
      }
      for (const name of names) {
        if (isDelete(name)) there.delete(name);
        else there.add(name);
      }
      onRevision(revision);
    }
    await writer.close();
    return texts;
  }

  /** From where a client resumes after this response to its watch. */
  function resumeRevision({ events, header }: WatchResponse, startRevision: number): number {
    // Not by the header: while history is told it is ahead of the events (WO-05).
    if (events.length > 0) return (eventsOf({ events } as WatchResponse).at(-1)?.kv?.modRevision ?? 0) + 1;
    return Math.max(startRevision, (header?.revision ?? 0) + 1);
  }

  test("WC-05 WC-11 WO-02 WP-01 Resumable: over many lost connections no event is lost and none comes twice", async () => {
    const request = prefixWatch("wc05/", { prevKv: true });
    const first = (await shared.revision()) + 1;
    let last = first;
    const isOver = { value: false };
    const writing = write("wc05/", (revision) => (last = revision)).finally(() => (isOver.value = true));
    /** One client of the store, which drops each connection after so many responses. */
    const follow = async (responsesPerConnection: number): Promise<{ texts: string[]; resumes: number }> => {
      const texts: string[] = [];
      let next = first;
      let resumes = -1;
      while (!isOver.value || next <= last) {
        resumes++;
        const client = await EtcdClient.connect(shared.store.url);
        const stream = client.watch();
        const { header } = await stream.create({ ...request, startRevision: next } satisfies WatchCreateRequest);
        expect(header?.revision).toBeGreaterThanOrEqual(next - 1);
        const responses = resumes < resumesMax ? responsesPerConnection : Infinity;
        stream.requestProgress();
        for (let n = 0; n < responses && next <= last; n++) {
          const response = await stream.next();
          if (response.events.length > 0) stream.requestProgress();
          texts.push(...eventsOf(response).map(eventText));
          next = resumeRevision(response, next);
        }
        client.lean.destroy();
      }
      return { texts, resumes };
    };
    const followers = [1, 2, 5].map(follow);
    const expected = await writing;
    for (const { texts, resumes } of await Promise.all(followers)) {
      expect(texts).toEqual(expected);
      expect(resumes).toBeGreaterThan(0);
    }
  });

  test("WO-04 WO-05: behind the last event of a piece of history, and not behind its header, is where it goes on", async () => {
    const value = "v".repeat(2_000);
    const { client } = shared;
    const first = (await shared.revision()) + 1;
    const revisions = 2_500;
    for (let i = 0; i < revisions; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => client.txn(txnRequest([put(`wo05/${i + n}`, value)]))));
    }
    const last = first + revisions - 1;
    let next = first;
    let aheadOfEvents = 0;
    while (next <= last) {
      const stream = client.watch();
      await stream.create(prefixWatch("wo05/", { startRevision: next }));
      const response = await stream.next();
      stream.stream.cancel();
      const mods = eventsOf(response).map(({ kv }) => kv?.modRevision ?? 0);
      expect(mods).toEqual(mods.map((_, i) => next + i));
      expect(response.header?.revision).toBe(last);
      if (mods[mods.length - 1] < last) aheadOfEvents++;
      next = resumeRevision(response, next);
    }
    expect(next).toBe(last + 1);
    // Otherwise there was nothing to tell the two apart.
    expect(aheadOfEvents).toBeGreaterThan(0);
  });

  test("WA-06 WO-01 Reliable: from every start beside a writer, what a watch told up to a revision is what Range reads there", async () => {
    const first = (await shared.revision()) + 1;
    let current = first;
    const isOver = { value: false };
    const writing = write("wa06/", (revision) => (current = revision)).finally(() => (isOver.value = true));
    const followings: Promise<void>[] = [];
    const follow = async (startRevision: number, stop: number): Promise<void> => {
      const client = await EtcdClient.connect(shared.store.url);
      const stateAt = async (revision: number): Promise<string[]> => {
        // Before the first of the writes there is nothing.
        if (revision < first) return [];
        return pairsOf((await client.range(rangeRequest("wa06/", { rangeEnd: prefixEnd("wa06/"), revision }))).kvs);
      };
      const stream = client.watch();
      await stream.create(prefixWatch("wa06/", { startRevision }));
      const state = new Map<string, string>();
      let ended = 0;
      while (ended < stop) {
        const response = await stream.next();
        if (ended === 0) {
          for (const pair of await stateAt(startRevision - 1)) state.set(...(pair.split("=") as [string, string]));
        }
        for (const { type, kv } of eventsOf(response)) {
          ended = kv?.modRevision ?? 0;
          expect(ended).toBeGreaterThanOrEqual(startRevision);
          const name = kv?.key.toString() ?? "";
          if (type === EVENT_PUT) state.set(name, kv?.value.toString() ?? "");
          else expect(state.delete(name)).toBe(true);
        }
        // Each watch looks at other ones.
        if (ended === stop || (ended + startRevision) % 16 === 0) {
          expect(await stateAt(ended)).toEqual([...state].map(([name, text]) => `${name}=${text}`).toSorted());
        }
      }
      client.lean.destroy();
    };
    const last = first + txns - 1;
    for (let i = 0; !isOver.value && i < 40; i++) {
      // Spread over all that has happened so far, and a little of what is to come.
      const startRevision = first + Math.floor(((current - first + 4) * ((i * 17) % 41)) / 40);
      followings.push(follow(Math.min(startRevision, last), last));
      const reached = current;
      await expect.poll(() => isOver.value || current > reached + 8, { interval: 1, timeout: 10_000 }).toBe(true);
    }
    await writing;
    await Promise.all(followings);
    expect(followings.length).toBeGreaterThan(20);
  });
});
