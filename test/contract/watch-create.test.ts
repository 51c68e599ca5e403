/** What a watch may be asked for: ids, ranges, start revisions, filters, and what the server says to each. */
import { expect, test } from "vitest";
import { FILTER_NODELETE, FILTER_NOPUT } from "../../proto/messages.ts";
import type { WatchCreateRequest, WatchResponse } from "../../proto/messages.ts";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { del, prefixWatch, put, txnRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const compactedReason = "etcdserver: mvcc: required revision has been compacted";
const emptyReason = "mvcc: watcher range is empty";
const duplicateReason = "mvcc: duplicate watch ID provided on the WatchStream";

describeStores("watch: create", (start) => {
  const shared = new SharedStore(start);

  test("WA-01 WA-05 WC-12: a watch sees from now on the keys of its range, and no others", async () => {
    await shared.put("wa01/b", "old");
    const revision = await shared.revision();
    const ranges: readonly (readonly [string, string])[] = [
      ["wa01/b", ""],
      ["wa01/a", "wa01/c"],
      ["wa01/b", "\0"],
      ["", "wa01/b"],
      ["", "\0"],
    ];
    const streams = ranges.map(() => shared.client.watch());
    for (const [i, [key, rangeEnd]] of ranges.entries()) {
      const request = watchCreateRequest(key, { rangeEnd: Buffer.from(rangeEnd, "latin1") });
      expect((await streams[i].create(request)).header?.revision).toBe(revision);
    }
    const first = revision + 1;
    for (const key of ["wa01/a", "wa01/b", "wa01/b/", "wa01/c"]) await shared.put(key, "new");
    const all = [`PUT wa01/a=new @${first}`, `PUT wa01/b=new @${first + 1}`, `PUT wa01/b/=new @${first + 2}`];
    all.push(`PUT wa01/c=new @${first + 3}`);
    const expected = [all.slice(1, 2), all.slice(0, 3), all.slice(1), all.slice(0, 1), all];
    for (const [i, texts] of expected.entries()) {
      expect((await streams[i].nextEvents(texts.length)).map(eventText)).toEqual(texts);
    }
    // What should not have come has not: the next thing that comes is progress.
    for (const stream of streams) expect((await stream.progress()).header?.revision).toBe(first + 3);
    for (const { stream } of streams) stream.cancel();
  });

  test("WA-02 WS-03: ids count up from 0 on each stream, step over those in use, and replies come in order", async () => {
    for (const stream of [shared.client.watch(), shared.client.watch()]) {
      const asked = [0, 0, 3, 0, 0, 0];
      for (const watchId of asked) stream.send({ case: "create", request: watchCreateRequest("wa02", { watchId }) });
      const ids = [];
      for (const _ of asked) {
        const { watchId, created, canceled } = await stream.next();
        expect({ created, canceled }).toEqual({ created: true, canceled: false });
        ids.push(watchId);
      }
      expect(ids).toEqual([0, 1, 3, 2, 4, 5]);
      stream.stream.cancel();
    }
  });

  test("WA-03: an id of the client's is used as it is, and refused while it is in use", async () => {
    const stream = shared.client.watch();
    expect((await stream.create(watchCreateRequest("wa03", { watchId: 77 }))).watchId).toBe(77);
    expect(refusal(await stream.create(watchCreateRequest("wa03", { watchId: 77 })))).toEqual([-1, duplicateReason, 0]);
    const revision = await shared.put("wa03");
    expect((await stream.next()).watchId).toBe(77);
    stream.cancel(77);
    expect(await stream.next()).toMatchObject({ watchId: 77, canceled: true, header: { revision } });
    expect((await stream.create(watchCreateRequest("wa03", { watchId: 77 }))).watchId).toBe(77);
  });

  test("WC-01 WC-02 WC-09: each create is answered once, in order, and a refusal says why and touches no other watch", async () => {
    const first = await shared.put("wc01", "0");
    await shared.put("wc01", "1");
    await shared.client.compact({ revision: first + 1, physical: true });
    const stream = shared.client.watch();
    const empty = { rangeEnd: Buffer.from("a") };
    const creates: [Partial<WatchCreateRequest>, number, string][] = [
      [{}, 0, ""],
      [empty, -1, emptyReason],
      [{ watchId: 5 }, 5, ""],
      [{ watchId: 5 }, -1, duplicateReason],
      [{ startRevision: -1 }, -1, compactedReason],
      [{ startRevision: first }, 1, ""],
      [empty, -1, emptyReason],
      [{ startRevision: first + 1 }, 2, ""],
    ];
    for (const [fields] of creates) stream.send({ case: "create", request: watchCreateRequest("wc01", fields) });
    const next = await shared.put("wc01", "2");
    // All live watches get it; the other messages are what the creates brought.
    const responses: WatchResponse[] = [];
    const live = new Set([0, 5, 2]);
    while (live.size > 0) {
      const response = await stream.next();
      responses.push(response);
      if (eventsOf(response).at(-1)?.kv?.modRevision === next) live.delete(response.watchId);
    }
    responses.push(...(await receivedUntilNow(stream)));
    const created = responses.filter((response) => response.created);
    expect(created.map(({ watchId, cancelReason }) => [watchId, cancelReason])).toEqual(
      creates.map(([, id, reason]) => [id, reason]),
    );
    for (const { canceled, cancelReason } of created) expect(canceled).toBe(cancelReason !== "");
    // Nobody has cancelled a watch: each end has a reason or tells of the compaction, and comes after its beginning.
    const ended = responses.filter((response) => response.canceled);
    for (const { cancelReason, compactRevision } of ended)
      expect(cancelReason !== "" || compactRevision > 0).toBe(true);
    const compacted = ended.filter(({ compactRevision }) => compactRevision > 0);
    expect(compacted).toMatchObject([{ watchId: 1, created: false, compactRevision: first + 1 }]);
    expect(responses.indexOf(compacted[0])).toBeGreaterThan(responses.indexOf(created[5]));
    // And there is nothing else but events.
    const rest = responses.filter((response) => !response.created && !response.canceled);
    expect(rest.every(({ events }) => events.length > 0)).toBe(true);
  });

  test("WA-04: an empty range is refused, and the stream lives on", async () => {
    const stream = shared.client.watch();
    for (const [key, end] of [
      ["b", "a"],
      ["b", "b"],
    ] as const) {
      const request = watchCreateRequest(key, { rangeEnd: Buffer.from(end) });
      expect(refusal(await stream.create(request))).toEqual([-1, emptyReason, 0]);
    }
    expect((await stream.create(watchCreateRequest("b"))).watchId).toBe(0);
  });

  test("WA-06: a watch of the past gets history from its start on, then what happens, without gap or repetition", async () => {
    const first = await shared.put("wa06/a", "1");
    await shared.put("other", "x");
    await shared.put("wa06/b", "2");
    await shared.delete("wa06/a");
    const history = [`PUT wa06/a=1 @${first}`, `PUT wa06/b=2 @${first + 2}`, `DELETE wa06/a @${first + 3}`];
    const streams = [shared.client.watch(), shared.client.watch(), shared.client.watch()];
    for (const [i, startRevision] of [first, first + 1, first + 3].entries()) {
      const { header } = await streams[i].create(prefixWatch("wa06/", { startRevision }));
      expect(header?.revision).toBe(first + 3);
    }
    const live = `PUT wa06/c=live @${await shared.put("wa06/c", "live")}`;
    for (const [i, texts] of [history, history.slice(1), history.slice(2)].entries()) {
      const events = await streams[i].nextEvents(texts.length + 1);
      expect(events.map(eventText)).toEqual([...texts, live]);
      streams[i].stream.cancel();
    }
  });

  test("WA-07 WC-11 WC-12: a start in the future is valid, and nothing below it is delivered", async () => {
    const stream = shared.client.watch();
    const revision = await shared.revision();
    const { header } = await stream.create(watchCreateRequest("wa07", { startRevision: revision + 3 }));
    expect(header?.revision).toBe(revision);
    for (const value of ["1", "2", "3", "4"]) await shared.put("wa07", value);
    const texts = [`PUT wa07=3 @${revision + 3}`, `PUT wa07=4 @${revision + 4}`];
    expect((await stream.nextEvents(2)).map(eventText)).toEqual(texts);
  });

  test("WA-09: a negative start is refused as compacted, whatever else is wrong", async () => {
    const stream = shared.client.watch();
    const bad = [
      watchCreateRequest("a", { startRevision: -1 }),
      watchCreateRequest("a", { startRevision: Number.MIN_SAFE_INTEGER }),
      watchCreateRequest("b", { startRevision: -1, rangeEnd: Buffer.from("a") }),
    ];
    for (const request of bad) expect(refusal(await stream.create(request))).toEqual([-1, compactedReason, 0]);
  });

  test("WA-10 WC-03: filters drop puts or deletes, and a revision of dropped events only is silent", async () => {
    const noPut = shared.client.watch();
    const noDelete = shared.client.watch();
    const both = shared.client.watch();
    const unknown = shared.client.watch();
    const first = (await shared.revision()) + 1;
    await noPut.create(prefixWatch("wa10/", { filters: [FILTER_NOPUT] }));
    await noDelete.create(prefixWatch("wa10/", { filters: [FILTER_NODELETE] }));
    await both.create(prefixWatch("wa10/", { filters: [FILTER_NOPUT, FILTER_NODELETE] }));
    await unknown.create(prefixWatch("wa10/", { filters: [7] }));
    await shared.put("wa10/a", "1");
    await shared.delete("wa10/a");
    await shared.put("wa10/b", "2");
    await shared.client.txn(txnRequest([put("wa10/a", "3"), del("wa10/b")]));
    const puts = [`PUT wa10/a=1 @${first}`, `PUT wa10/b=2 @${first + 2}`, `PUT wa10/a=3 @${first + 3}`];
    const deletes = [`DELETE wa10/a @${first + 1}`, `DELETE wa10/b @${first + 3}`];
    expect((await noPut.nextEvents(2)).map(eventText)).toEqual(deletes);
    expect((await noDelete.nextEvents(3)).map(eventText)).toEqual(puts);
    expect((await unknown.nextEvents(5)).map(eventText)).toEqual([puts[0], deletes[0], puts[1], puts[2], deletes[1]]);
    expect(await both.progress()).toMatchObject({ watchId: -1, events: [], header: { revision: first + 3 } });
    // History is filtered in the same way.
    const past = shared.client.watch();
    await past.create(prefixWatch("wa10/", { filters: [FILTER_NOPUT], startRevision: first }));
    expect((await past.nextEvents(2)).map(eventText)).toEqual(deletes);
  });
});

/** Everything that a stream has received until now: what comes for one more create is the end of it. */
async function receivedUntilNow(stream: WatchStream): Promise<WatchResponse[]> {
  const last = 1_000;
  stream.send({ case: "create", request: watchCreateRequest("until now", { watchId: last }) });
  const responses: WatchResponse[] = [];
  for (;;) {
    const response = await stream.next();
    if (response.watchId === last) return responses;
    responses.push(response);
  }
}

/** What a refused create says: id, reason, compact revision. */
function refusal({ watchId, created, canceled, cancelReason, compactRevision }: WatchResponse): unknown[] {
  expect([created, canceled]).toEqual([true, true]);
  return [watchId, cancelReason, compactRevision];
}
