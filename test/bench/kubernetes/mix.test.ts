/** The checkers of the Kubernetes mix: what a server does right they take, and what somebody else changes they notice. */

import { afterAll, beforeAll, expect, it } from "vitest";

import { writeCompactionRequest, writeDeleteRangeRequest, writePutRequest } from "../../../proto/request-writers.ts";
import { Writer } from "../../../proto/writer.ts";
import { LeanClient } from "../../../bench/client/lean-client.ts";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";
import { Callers, type CallersFigures, type Run } from "../../../bench/kubernetes/callers.ts";
import { monotonicMs } from "../../../bench/kubernetes/clock.ts";
import { compareEvents } from "../../../bench/kubernetes/compare-events.ts";
import { ObjectKeys } from "../../../bench/kubernetes/objects.ts";
import { RESOURCES } from "../../../bench/kubernetes/scale.ts";
import { type WatchFigures, Watchers } from "../../../bench/kubernetes/watchers.ts";
import { type PlinthProcess, startPlinth } from "../../support/plinth-process.ts";

const NODES = 500;

let plinth: PlinthProcess;
let stranger: LeanClient;
let callers: Callers;
let watchers: Watchers;

beforeAll(async () => {
  plinth = await startPlinth();
  stranger = await LeanClient.connect(plinth.url);
  callers = await Callers.connect(plinth.url);
  watchers = new Watchers(plinth.url);
});

afterAll(async () => {
  stranger.destroy();
  await plinth.remove();
});

/** A run of the mix, with what somebody else does before the watches end. */
async function run(meanwhile: () => Promise<void>): Promise<{ calls: CallersFigures; watch: WatchFigures }> {
  const { revision } = await callers.store({ nodes: NODES, preload: 0.02 });
  await watchers.open(revision);
  const beginMs = monotonicMs();
  const mix: Run = { nodes: NODES, beginMs, window: { fromMs: beginMs + 50, untilMs: beginMs + 800 } };
  const [calls] = await Promise.all([callers.run(mix), watchers.run(mix)]);
  await meanwhile();
  // What was done meanwhile is later than the last write of the run.
  return { calls, watch: await watchers.finish(calls.revision + 1) };
}

/** The revision that `finish` waits for needs a write. */
function writeBeside(): Promise<void> {
  return put("/beside", "");
}

async function put(key: string | Buffer, value: string): Promise<void> {
  const writer = new Writer();
  writePutRequest(writer, putRequest(key, value));
  await stranger.call("/etcdserverpb.KV/Put", writer.bytes());
}

it("a run of a server that does all right is right: all is read back, and each watch has seen all of it once", async () => {
  const { calls, watch } = await run(writeBeside);
  // A very busy machine may take longer than a request may; what is not answered in time is not checked.
  expect(calls.errors.filter((text) => !/timed out|there is no such object/.test(text))).toEqual([]);
  expect(calls.kinds.find(({ name }) => name === "lease update")?.asked).toBeGreaterThan(10);
  expect(calls.kinds.find(({ name }) => name === "compaction")?.asked).toBeGreaterThanOrEqual(14);
  expect(watch.wrong).toEqual([]);
  expect(watch.streams).toBe(7 * 80);
  expect(watch.lost).toBe(0);
  expect(compareEvents(calls.written, watch.seen)).toEqual([]);
  const { wrong, objectsRead } = await callers.verify();
  expect(wrong).toEqual([]);
  expect(objectsRead).toBeGreaterThan(10);
});

it("an event of a write that was not the load's is noticed, and so is one that is missing", async () => {
  const { calls, watch } = await run(() => put("/registry/example.com/kind-3/stranger", ""));
  expect(compareEvents(calls.written, watch.seen)).toEqual([
    expect.stringContaining("/registry/example.com/kind-3/: 1 events of 0 writes"),
  ]);
  const missing = watch.seen.map(({ prefix, events: { count, sum } }) => ({ prefix, events: { count, sum: sum + 1 } }));
  expect(compareEvents(calls.written, missing).length).toBeGreaterThan(1);
});

it("objects that are not as the last acknowledged write left them are noticed when they are read back", async () => {
  await run(writeBeside);
  // The first that is renewed.
  const lease = Buffer.from(new ObjectKeys(RESOURCES.leases).key(1));
  const node = Buffer.from(new ObjectKeys(RESOURCES.nodes).key(1));
  await put(lease, "of a stranger");
  const writer = new Writer();
  writeDeleteRangeRequest(writer, deleteRequest(node));
  await stranger.call("/etcdserverpb.KV/DeleteRange", writer.bytes());
  const { wrong } = await callers.verify();
  expect(wrong).toContainEqual(expect.stringContaining(`${lease.toString()}: is of revision`));
  expect(wrong).toContainEqual(expect.stringContaining(`${NODES - 1} instead of ${NODES} nodes`));
});

it("a watch whose events were compacted before it had them is lost, and not taken for wrong", async () => {
  const { revision } = await callers.store({ nodes: NODES, preload: 0.02 });
  const writer = new Writer();
  writeCompactionRequest(writer, { revision, physical: false });
  await stranger.call("/etcdserverpb.KV/Compact", writer.bytes());
  await watchers.open(1);
  const watch = await watchers.finish(revision);
  expect(watch.lost).toBe(7 * 80);
  expect(watch.seen).toEqual([]);
  expect(watch.wrong).toEqual([]);
});
