/** The store goes away while everybody writes, and comes back with all that it had said yes to. */
import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { type ApiClient, configMap, core, type KubeObject, RefusedError, type StoredObject } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { storeRevision } from "../etcdctl.ts";
import { Ledger, payloadOf } from "../ledger.ts";
import { Observers } from "../observers.ts";
import { WatchStream } from "../watch-stream.ts";
import { createEvent, untilExpired } from "./expiring-events.ts";

const namespace = "outages";
const configMaps = core(namespace, "configmaps");
const events = core(namespace, "events");

const writers = 8;
const outages = ["kill", "kill", "stop"] as const;
const writesBetweenOutages = 400;
const progressMillisecondsMax = 30_000;

const recoveryMillisecondsMax = 30_000;
// Neither a writer nor a probe is told when the apiserver has its store back: both have to ask.
const pollMilliseconds = 50;

const serverFault = 500;

export async function outagesUnderLoad(cluster: Cluster): Promise<void> {
  const { store, cached, direct } = cluster;
  await cluster.createNamespace(namespace);
  const observers = await Observers.start(cluster, namespace);
  const eventWatch = new WatchStream(direct.server, events, (await direct.list(events)).metadata.resourceVersion);
  const ledger = new Ledger();
  const stop = new AbortController();
  const writing = Array.from({ length: writers }, (_, index) =>
    write(cluster.both[index % 2] ?? cached, `writer-${index}`, ledger, stop.signal),
  );
  // A writer that fails ends the step, whatever the step waits for at that moment.
  const written = Promise.all(writing);
  written.catch(() => stop.abort());
  try {
    for (const [index, outage] of outages.entries()) {
      await untilMoreWrites(ledger, written);
      if (index === 0) expect(ledger.unknown).toBe(0);
      await createEvent(cached, namespace, `before-outage-${index}`);
      await store[outage]();
      // What was shown or told by now must not be taken back.
      const highest = Math.max(ledger.highestRevision, observers.highestRevision);
      await store.restart();
      expect(await storeRevision(store.url)).toBeGreaterThanOrEqual(highest);
      await Promise.all(cluster.both.map((client) => untilReady(client)));
    }
    await untilMoreWrites(ledger, written);
    stop.abort();
    await written;
    await createEvent(cached, namespace, "after-outages");

    // Each outage came in the middle of writes.
    expect(ledger.unknown).toBeGreaterThan(0);
    ledger.checkRevisionsUnique();
    for (const client of cluster.both) ledger.checkList((await client.list(configMaps)).items);
    await observers.check(cluster, ledger);
    for (const index of outages.keys()) await untilExpired(eventWatch, `before-outage-${index}`);
    await untilExpired(eventWatch, "after-outages");
    expect((await direct.list(events)).items).toEqual([]);
  } finally {
    stop.abort();
    await Promise.allSettled(writing);
    await Promise.all([observers.close(), eventWatch.close()]);
  }
}

/** Creates, updates and deletes objects of its own until it is stopped, and enters each outcome into the ledger. */
async function write(client: ApiClient, writer: string, ledger: Ledger, stop: AbortSignal): Promise<void> {
  for (let index = 0; !stop.aborted; index++) {
    const name = `${writer}-${index}`;
    const created = await attempt("ADDED", name, payloadOf(name, 0), ledger, (payload) =>
      client.create(configMaps, configMap(name, { payload })),
    );
    if (created === null) continue;
    const updated = await attempt("MODIFIED", name, payloadOf(name, 1), ledger, (payload) =>
      client.update(configMaps, { ...created, data: { payload } }),
    );
    if (updated === null || index % 2 === 0) continue;
    await attempt("DELETED", name, payloadOf(name, 1), ledger, async () => {
      await client.delete(`${configMaps}/${name}`);
      return updated;
    });
  }
}

/** Gives what the server answered, or null when it is unknown whether the write happened. */
async function attempt(
  type: "ADDED" | "MODIFIED" | "DELETED",
  name: string,
  payload: string,
  ledger: Ledger,
  act: (payload: string) => Promise<KubeObject>,
): Promise<StoredObject | null> {
  try {
    const answer = await act(payload);
    if (type === "DELETED") ledger.deleted(name, payload);
    else ledger.stored(type, answer);
    return answer as StoredObject; // It came from the server.
  } catch (error) {
    // The apiserver is up all the time: it answers, and only its own trouble with the store may be the reason for a no.
    if (!(error instanceof RefusedError) || error.refusal.code < serverFault) throw error;
    ledger.outcomeUnknown(type, name, payload);
    await delay(pollMilliseconds);
    return null;
  }
}

async function untilMoreWrites(ledger: Ledger, written: Promise<unknown>): Promise<void> {
  const more = ledger.untilAcknowledged(ledger.acknowledged + writesBetweenOutages, progressMillisecondsMax);
  await Promise.race([more, written]);
}

async function untilReady(client: ApiClient): Promise<void> {
  const deadline = Date.now() + recoveryMillisecondsMax;
  for (;;) {
    const { status, body } = await client.server.request("GET", "/readyz?verbose");
    if (status === 200) return;
    if (Date.now() > deadline) throw new Error(`the apiserver is not ready again: ${body}`);
    await delay(pollMilliseconds);
  }
}
