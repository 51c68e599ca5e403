/** A client that writes as fast as it is answered, until it is ended. Arguments: the URL, connections, calls in flight. */

import { runClosedLoop } from "../client/closed-loop.ts";
import { makeKeys, putsOfObjects } from "../kv/workloads.ts";
import { LeanClient } from "../client/lean-client.ts";
import { tellAtWork } from "../tell-starter.ts";

const KEYS = 10_000;
const VALUE_BYTES_MIN = 600;
const VALUE_BYTES_MAX = 1_024;

/** Longer than any bench, and what a timer takes. */
const SECONDS_MAX = 1_000_000;

const [url, connections, inFlight] = process.argv.slice(2);
const clients: LeanClient[] = [];
while (clients.length < Number(connections)) clients.push(await LeanClient.connect(url));
const workload = putsOfObjects(makeKeys(KEYS), VALUE_BYTES_MIN, VALUE_BYTES_MAX);
const slots = clients.length * Number(inFlight);
await runClosedLoop(
  { clients, inFlight: Number(inFlight), path: workload.path, request: (slot) => workload.request(slot, slots) },
  { warmUpSeconds: 0, seconds: SECONDS_MAX, callsMax: Number.POSITIVE_INFINITY, onMeasuring: tellAtWork },
);
