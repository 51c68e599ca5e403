/** The checkers are checked: what they are there to find, they find. */
import { expect, test } from "vitest";

import { configMap, type StoredObject } from "./api-client.ts";
import { EventLog } from "./event-log.ts";
import { type Change, changesOf, changesOfStore, Ledger, payloadOf } from "./ledger.ts";
import { consistentReads, failedConsistencyChecks } from "./server-health.ts";

/** One object created, updated and deleted, and another one whose update nobody knows the outcome of. */
function writtenLedger(): Ledger {
  const ledger = new Ledger();
  ledger.stored("ADDED", stored("a", 0, 10));
  ledger.stored("MODIFIED", stored("a", 1, 11));
  ledger.deleted("a", payloadOf("a", 1));
  ledger.stored("ADDED", stored("b", 0, 12));
  ledger.outcomeUnknown("MODIFIED", "b", payloadOf("b", 1));
  return ledger;
}

const shown: readonly Change[] = [
  { type: "ADDED", name: "a", revision: 10, payload: payloadOf("a", 0) },
  { type: "MODIFIED", name: "a", revision: 11, payload: payloadOf("a", 1) },
  { type: "ADDED", name: "b", revision: 12, payload: payloadOf("b", 0) },
  { type: "DELETED", name: "a", revision: 13, payload: payloadOf("a", 1) },
];
const unknownUpdate: Change = { type: "MODIFIED", name: "b", revision: 14, payload: payloadOf("b", 1) };

test("a watch may show a write with unknown outcome or not", () => {
  expect(() => writtenLedger().checkWatch(shown)).not.toThrow();
  expect(() => writtenLedger().checkWatch([...shown, unknownUpdate])).not.toThrow();
});

test.each<readonly [string, readonly Change[]]>([
  ["lost its first event", shown.slice(1)],
  ["lost its last event", shown.slice(0, -1)],
  ["lost an event in between", shown.filter(({ revision }) => revision !== 11)],
  ["shows an event twice", shown.flatMap((change) => (change.revision === 12 ? [change, change] : [change]))],
  ["goes back", shown.toReversed()],
  ["shows another revision than the writer was told", replaced(11, { revision: 11.5 })],
  ["shows other content than was written", replaced(11, { payload: payloadOf("a", 0) })],
  ["shows a create as an update", replaced(10, { type: "MODIFIED" })],
  ["shows what nobody wrote", [...shown, { ...unknownUpdate, name: "c" }]],
  ["shows more than was tried", [...shown, unknownUpdate, { ...unknownUpdate, revision: 15 }]],
])("a watch that %s is found", (_, changes) => {
  expect(() => writtenLedger().checkWatch(changes)).toThrow(/./);
});

test("a list may show a write with unknown outcome or not", () => {
  expect(() => writtenLedger().checkList([stored("b", 0, 12)])).not.toThrow();
  expect(() => writtenLedger().checkList([stored("b", 1, 14)])).not.toThrow();
});

test.each<readonly [string, readonly StoredObject[]]>([
  ["lost an acknowledged create", []],
  ["kept a deleted object", [stored("a", 1, 11), stored("b", 0, 12)]],
  ["shows an acknowledged content at another revision", [stored("b", 0, 13)]],
  ["shows other content than was written", [stored("b", 2, 14)]],
  ["shows what nobody wrote", [stored("b", 0, 12), stored("c", 0, 13)]],
])("a list that %s is found", (_, items) => {
  expect(() => writtenLedger().checkList(items)).toThrow(/./);
});

test("a revision told for two writes is found", () => {
  const ledger = writtenLedger();
  ledger.checkRevisionsUnique();
  ledger.stored("ADDED", stored("c", 0, 12));
  expect(() => ledger.checkRevisionsUnique()).toThrow("no revision was told twice");
});

test("a bookmark that promised more than was kept is found", () => {
  const bookmark = { type: "BOOKMARK", object: stored("", 0, 12) } as const;
  const event = (revision: number) => ({ type: "ADDED", object: stored("a", 0, revision) }) as const;
  expect(changesOf([event(12), bookmark, event(13)]).map(({ revision }) => revision)).toEqual([12, 13]);
  expect(() => changesOf([bookmark, event(12)])).toThrow("after a bookmark nothing");
  expect(() => changesOf([event(13), bookmark])).toThrow("a bookmark does not go back");
});

test("the payload is found in the bytes of a stored object, and a create is told from an update", () => {
  const key = "/registry/configmaps/space/a";
  const value = `k8s\0\u0001\u00ff${payloadOf("a", 7)}\u0012`;
  expect(
    changesOfStore([
      { type: "PUT", key, createRevision: 10, modRevision: 10, value },
      { type: "PUT", key, createRevision: 10, modRevision: 11, value },
      { type: "DELETE", key, createRevision: 0, modRevision: 12, value: "" },
    ]),
  ).toEqual([
    { type: "ADDED", name: "a", revision: 10, payload: payloadOf("a", 7) },
    { type: "MODIFIED", name: "a", revision: 11, payload: payloadOf("a", 7) },
    { type: "DELETED", name: "a", revision: 12, payload: null },
  ]);
});

test("an event is found whether it comes before or after the question, and an end is no silence", async () => {
  const log = new EventLog<number>("the log");
  log.push(1);
  await expect(log.first("a one", (event) => event === 1)).resolves.toBe(1);
  const second = log.first("a two", (event) => event === 2);
  log.push(2);
  await expect(second).resolves.toBe(2);
  await expect(log.first("a three", (event) => event === 3, 1)).rejects.toThrow("did not show a three in time");
  const third = log.first("a three", (event) => event === 3);
  log.fail(new Error("it broke"));
  await expect(third).rejects.toThrow("the log ended without a three");
});

test("reads that came too late and failed checks are found on a metrics page", () => {
  const page = `
# TYPE apiserver_watch_cache_consistent_read_total counter
apiserver_watch_cache_consistent_read_total{fallback="false",group="",resource="pods",success="true"} 40
apiserver_watch_cache_consistent_read_total{fallback="false",group="",resource="secrets",success="true"} 2
apiserver_watch_cache_consistent_read_total{fallback="true",group="",resource="pods",success="true"} 3
apiserver_storage_consistency_checks_total{group="",resource="pods",status="success"} 1
apiserver_storage_consistency_checks_total{group="",resource="secrets",status="failure"} 1
`;
  const late = { labels: { fallback: "true", group: "", resource: "pods", success: "true" }, value: 3 };
  expect(consistentReads(page)).toEqual({ fromCache: 42, late: [late] });
  expect(failedConsistencyChecks(page)).toEqual([
    { labels: { group: "", resource: "secrets", status: "failure" }, value: 1 },
  ]);
});

function stored(name: string, sequence: number, revision: number): StoredObject {
  const object = configMap(name, { payload: payloadOf(name, sequence) });
  return { ...object, metadata: { ...object.metadata, uid: name, resourceVersion: String(revision) } };
}

function replaced(revision: number, by: Partial<Change>): readonly Change[] {
  return shown.map((change) => (change.revision === revision ? { ...change, ...by } : change));
}
