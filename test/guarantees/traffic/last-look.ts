/** What is looked at when the traffic is over and nobody disturbs the store any more. */
import { wholeKeyspace } from "./collector.ts";
import { endOf, PREFIX, rangeOf } from "./kube-client.ts";
import type { RecordedClient } from "./recorded-client.ts";
import { RecordedWatches } from "./recorded-watches.ts";
import type { Subject } from "./subject.ts";
import { delay } from "../../support/delay.ts";

/** All leases are over long before. */
const LEASES_MILLISECONDS_MAX = 20_000;

/** Waits until every lease is over: all are short, and nobody renews them any more. */
export async function endLeases(subject: Subject): Promise<void> {
  const client = await connectOnly(subject);
  for (const deadline = performance.now() + LEASES_MILLISECONDS_MAX; ;) {
    const answer = await client.answer({ kind: "leases" });
    if (answer === null) throw new Error("the server answers while nobody kills it");
    if (answer.ids.length === 0) break;
    if (performance.now() > deadline) throw new Error(`leases do not end: ${answer.ids.join(" ")}`);
    await delay(100);
  }
  client.close();
}

/** Reads what there is, past and present, as list and as watch, and gives the current revision. */
export async function readAll(subject: Subject, compacted: number): Promise<number> {
  const client = await connectOnly(subject);
  const current = await client.call(rangeOf(PREFIX));
  if (current.kind !== "answered") throw new Error("the server answers while nobody kills it");
  const { revision } = current;
  const list = { kind: "range", key: "\0", end: "\0", limit: 0, streamed: false } as const;
  for (const past of [0, revision, Math.floor((compacted + revision) / 2), compacted]) {
    await client.call({ ...list, revision: past });
  }
  const watches = new RecordedWatches(client);
  const watch = watches.create(wholeKeyspace(Math.max(1, compacted)));
  const resources = watches.create({ ...wholeKeyspace(Math.max(1, compacted + 1)), key: PREFIX, end: endOf(PREFIX) });
  while (!watches.ended && Math.min(watch.told, resources.told) < revision) {
    watches.requestProgress();
    await watches.message(100);
    if (watch.state === "compacted" || resources.state === "compacted") break;
  }
  watches.close();
  client.close();
  return revision;
}

/** A connection while nobody kills the server. */
export async function connectOnly(subject: Subject): Promise<RecordedClient> {
  const client = await subject.connect("only");
  if (client === null) throw new Error("the server takes connections while nobody kills it");
  return client;
}
