/** Tests of the comparison itself: it must find what differs, and allow no more than the freedoms say. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import type { Command, UnaryCommand } from "./command.ts";
import { Comparison } from "./compare.ts";
import { runDifferential } from "./differential.ts";
import { seed, skipReason } from "./effort.ts";
import { ANSWER_FREEDOMS, ID_FREEDOM, PROGRESS_FREEDOM, UNASKED, WATCH_FREEDOMS } from "./freedoms.ts";
import { flagsWith, TXN_OPS_MAX } from "./lockstep.ts";
import { minimise } from "./minimise.ts";
import type { PlainHeader, PlainKeyValue } from "./plain.ts";
import type { Answer } from "./side.ts";
import type { Delivery, WatchNews } from "./watch-log.ts";

const header: PlainHeader = { cluster: "own", member: "own", revision: 9, term: "set" };

function kv(key: string, fields: Partial<PlainKeyValue> = {}): PlainKeyValue {
  return { key, value: "v", create: 2, mod: 2, version: 1, lease: "0", ...fields };
}

function list(kvs: readonly PlainKeyValue[], more = false): Answer {
  return { ok: { header, kvs, more, count: 5 } };
}

function isSame(command: UnaryCommand, plinth: Answer, etcd: Answer): boolean {
  const question = { command, compactions: new Set([5]), hasRestarted: false, hasChosenLeases: false };
  return new Comparison().answers(question, plinth, etcd);
}

describe("answers", () => {
  const range: UnaryCommand = { name: "range", request: rangeRequest("a") };
  const byVersion: UnaryCommand = { name: "range", request: rangeRequest("a", { sortTarget: 1, sortOrder: 1 }) };

  test("equal ones are the same, and any other field makes them differ", () => {
    const answer = list([kv("a"), kv("b")]);
    expect(isSame(range, answer, list([kv("a"), kv("b")]))).toBe(true);
    const others = [
      list([kv("b"), kv("a")]),
      list([kv("a"), kv("b", { value: "w" })]),
      list([kv("a"), kv("b", { mod: 3 })]),
      list([kv("a"), kv("b", { lease: "7" })]),
      list([kv("a"), kv("b")], true),
      { ok: { header: { ...header, revision: 8 }, kvs: [kv("a"), kv("b")], more: false, count: 5 } },
      { ok: { header: null, kvs: [kv("a"), kv("b")], more: false, count: 5 } },
      { code: 11, message: "etcdserver: mvcc: required revision has been compacted" },
    ];
    for (const other of others) {
      expect(isSame(range, answer, other)).toBe(false);
      expect(isSame(range, other, answer)).toBe(false);
    }
  });

  test("a refusal is its code and its text", () => {
    const refusal = { code: 3, message: "etcdserver: key not found" };
    const put: UnaryCommand = { name: "put", request: putRequest("a") };
    expect(isSame(put, refusal, { ...refusal })).toBe(true);
    expect(isSame(put, refusal, { ...refusal, code: 5 })).toBe(false);
    expect(isSame(put, refusal, { ...refusal, message: "etcdserver: key is not provided" })).toBe(false);
  });

  test("equals in a sorted list may change places, others not", () => {
    const [a, b, c] = [kv("a"), kv("b"), kv("c", { version: 2 })];
    expect(isSame(byVersion, list([a, b, c]), list([b, a, c]))).toBe(true);
    expect(isSame(byVersion, list([a, b, c]), list([a, c, b]))).toBe(false);
    expect(isSame(byVersion, list([a, b, c]), list([a, kv("d"), c]))).toBe(false);
    expect(isSame(range, list([a, b, c]), list([b, a, c]))).toBe(false);
  });

  test("of the equals that a limit cuts any may be left, but as many", () => {
    const [a, b, c] = [kv("a", { version: 0 }), kv("b"), kv("c")];
    expect(isSame(byVersion, list([a, b], true), list([a, c], true))).toBe(true);
    expect(isSame(byVersion, list([a, b], false), list([a, c], false))).toBe(false);
    expect(isSame(byVersion, list([a, b], true), list([a], true))).toBe(false);
    expect(isSame(byVersion, list([a, b], true), list([kv("d", { version: 0 }), b], true))).toBe(false);
  });

  test("a range inside a txn has the freedoms of a range, and the txn has none", () => {
    const request = { compare: [], success: [{ case: "range" as const, request: byVersion.request }], failure: [] };
    const txn: UnaryCommand = { name: "txn", request };
    const answer = (kvs: PlainKeyValue[], revision = 9): Answer => ({
      ok: {
        header: { ...header, revision },
        succeeded: true,
        responses: [{ op: "range", response: { header: null, kvs, more: false, count: 2 } }],
      },
    });
    expect(isSame(txn, answer([kv("a"), kv("b")]), answer([kv("b"), kv("a")]))).toBe(true);
    expect(isSame(txn, answer([kv("a"), kv("b")]), answer([kv("b"), kv("a", { version: 2 })]))).toBe(false);
    expect(isSame(txn, answer([kv("a")], 8), answer([kv("a")], 9))).toBe(false);
  });

  test("HashKV at a revision that was compacted at may be a remembered one or not", () => {
    const hash = (revision: number): UnaryCommand => ({ name: "hashKv", request: { revision } });
    const answer = (of: number, compactRevision: number): Answer => ({
      ok: { header, hash: of, compactRevision, hashRevision: 6 },
    });
    expect(isSame(hash(6), answer(1, 5), answer(2, 5))).toBe(false);
    expect(isSame(hash(6), answer(2, 5), answer(2, 4))).toBe(false);
    expect(isSame(hash(5), answer(1, 5), answer(2, 4))).toBe(true);
    expect(isSame(hash(5), answer(1, 4), answer(2, 4))).toBe(false);
    const compacted = { code: 11, message: "etcdserver: mvcc: required revision has been compacted" };
    expect(isSame(hash(5), compacted, answer(2, 4))).toBe(true);
    expect(isSame(hash(5), answer(2, 4), compacted)).toBe(true);
    expect(isSame(hash(5), answer(2, 4), { code: 14, message: "etcdserver: no leader" })).toBe(false);
    expect(isSame(hash(6), compacted, answer(2, 4))).toBe(false);
  });

  test("the rest of a lease's time may be two seconds apart, and whether there is a lease must be known", () => {
    const timeToLive: UnaryCommand = { name: "timeToLive", request: { ID: 1n, keys: true } };
    const answer = (TTL: number, keys: string[] = []): Answer => ({
      ok: { header, ID: "1", TTL, grantedTTL: 600, keys },
    });
    expect(isSame(timeToLive, answer(598, ["a", "b"]), answer(600, ["b", "a"]))).toBe(true);
    expect(isSame(timeToLive, answer(597), answer(600))).toBe(false);
    expect(isSame(timeToLive, answer(-1), answer(0))).toBe(false);
    expect(isSame(timeToLive, answer(600, ["a"]), answer(600, ["b"]))).toBe(false);
  });
});

describe("watches", () => {
  const put = (mod: number, prevKv: PlainKeyValue | null = null) => ({ type: "PUT", kv: kv("a", { mod }), prevKv });
  const delivery = (revision: number, ...events: Delivery["events"]): Delivery => ({
    header: { ...header, revision },
    watchId: 0,
    events,
    parts: [events.length],
  });
  const news = (...deliveries: Delivery[]): WatchNews => ({ notices: [], deliveries });
  const same = (historyUpTo: number, plinth: WatchNews, etcd: WatchNews): boolean =>
    new Comparison().watches({ compactRevision: 4, historyUpTo }, plinth, etcd);

  test("live changes come one response for each revision, with that revision in the header", () => {
    const live = news(delivery(5, put(5)), delivery(6, put(6)));
    expect(same(0, live, news(delivery(5, put(5)), delivery(6, put(6))))).toBe(true);
    expect(same(0, live, news(delivery(6, put(5), put(6))))).toBe(false);
    expect(same(0, live, news(delivery(5, put(5)), delivery(7, put(6))))).toBe(false);
    expect(same(0, live, news(delivery(5, put(5))))).toBe(false);
  });

  test("history may come in any number of responses, but all of it, and in order", () => {
    const history = news(delivery(9, put(5), put(6)));
    expect(same(9, history, news(delivery(8, put(5)), delivery(9, put(6))))).toBe(true);
    expect(same(9, history, news(delivery(9, put(6), put(5))))).toBe(false);
    expect(same(9, history, news(delivery(9, put(6))))).toBe(false);
    expect(same(9, history, news(delivery(9, put(5), put(6)), delivery(10, put(10))))).toBe(false);
  });

  test("etcd may leave out prev_kv at the compacted revision, Plinth may not, and nobody elsewhere", () => {
    const previous = kv("a");
    expect(same(0, news(delivery(4, put(4, previous))), news(delivery(4, put(4))))).toBe(true);
    expect(same(0, news(delivery(4, put(4))), news(delivery(4, put(4, previous))))).toBe(false);
    expect(same(0, news(delivery(5, put(5, previous))), news(delivery(5, put(5))))).toBe(false);
  });

  test("of several changes of a key in the compacted revision only the last one counts", () => {
    const gone = { type: "DELETE (1)", kv: kv("a", { mod: 4 }), prevKv: null };
    expect(same(0, news(delivery(4, put(4), gone)), news(delivery(4, gone)))).toBe(false);
    expect(same(9, news(delivery(9, put(4), gone)), news(delivery(9, gone)))).toBe(true);
    expect(same(9, news(delivery(9, put(4), gone)), news(delivery(9, put(4))))).toBe(false);
  });

  test("what is said of the watch itself has no freedom", () => {
    const notice = { header, watchId: 0, created: true, canceled: false, compactRevision: 0, cancelReason: "" };
    const created = { notices: [notice], deliveries: [] };
    expect(same(0, created, { notices: [{ ...notice }], deliveries: [] })).toBe(true);
    for (const other of [{ watchId: 1 }, { canceled: true }, { compactRevision: 3 }, { cancelReason: "x" }]) {
      expect(same(0, created, { notices: [{ ...notice, ...other }], deliveries: [] })).toBe(false);
    }
  });

  test("progress that only Plinth tells is allowed when compaction ended a watch of the stream", () => {
    const comparison = new Comparison();
    expect(comparison.progress(false, [header], [])).toBe(false);
    expect(comparison.progress(true, [header], [])).toBe(true);
    expect(comparison.progress(true, [], [header])).toBe(false);
    expect(comparison.progress(true, [header], [{ ...header, revision: 8 }])).toBe(false);
  });
});

test("every freedom has a name of its own and a reason", () => {
  const all = [...ANSWER_FREEDOMS, ...WATCH_FREEDOMS, ID_FREEDOM, PROGRESS_FREEDOM, ...UNASKED];
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { reason } of all) expect(reason).toMatch(/\S \S.*\.$/);
});

test("a failing sequence is made as short as can be", async () => {
  const runs = fc.asyncProperty(
    fc.uniqueArray(fc.nat(99), { minLength: 3, maxLength: 60 }),
    fc.nat(59),
    fc.nat(59),
    async (commands, i, j) => {
      const needed = new Set([commands[i % commands.length], commands[j % commands.length]]);
      const fails = async (some: readonly number[]) => [...needed].every((each) => some.includes(each));
      const shortest = await minimise(commands, fails, { attemptsMax: 1_000, millisecondsMax: 10_000 });
      expect(shortest).toEqual(commands.filter((each) => needed.has(each)));
      expect(await minimise(commands, async () => false, { attemptsMax: 1_000, millisecondsMax: 10_000 })).toBe(null);
    },
  );
  await fc.assert(runs);
});

describe.skipIf(skipReason !== null)("servers that are made to differ", () => {
  test("are found out, and the sequence that shows it is made short", { timeout: 120_000 }, async () => {
    const puts = (ops: number): Command => ({
      name: "txn",
      request: {
        compare: [],
        success: Array.from({ length: ops }, (_, i) => ({
          case: "put" as const,
          request: putRequest(`/registry/${i}`),
        })),
        failure: [],
      },
    });
    const sequences = fc
      .array(fc.integer({ min: 1, max: TXN_OPS_MAX - 2 }), { minLength: 20, maxLength: 20 })
      .map((counts) => [...counts.map(puts), puts(TXN_OPS_MAX)]);
    const flags = flagsWith(`--max-txn-ops=${TXN_OPS_MAX - 1}`, `--max-txn-ops=${TXN_OPS_MAX}`);
    const run = runDifferential(sequences, seed, { commandsMax: 21, millisecondsMax: 60_000 }, flags);
    await expect(run).rejects.toThrow(/These 1 of 21 commands fail on fresh servers:\ntxn .*too many operations/s);
  });
});
