/** A client that puts events at a fixed rate, whatever is answered, until it is ended. Arguments: the URL and the rate. */

import { constants, setPriority } from "node:os";

import { writePutRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { LatencyHistogram } from "../client/latency-histogram.ts";
import { LeanClient } from "../client/lean-client.ts";
import { runOpenLoop } from "../client/open-loop.ts";
import { putRequest } from "../client/requests.ts";
import { tellAtWork } from "../tell-starter.ts";
import { EVENTS_PREFIX, FLOOD_CONNECTIONS, FLOOD_KEYS, FLOOD_VALUE } from "./objects.ts";

/** More than all that a server lets wait. */
const OPEN_MAX = 30_000;
const SECONDS_MAX = 1_000_000;

// It stands for clients elsewhere, which take no core from the server.
setPriority(constants.priority.PRIORITY_LOW);
const [url, perSecond] = process.argv.slice(2);
const clients: LeanClient[] = [];
while (clients.length < FLOOD_CONNECTIONS) clients.push(await LeanClient.connect(url));
const writer = new Writer();
const request = (i: number): Uint8Array => {
  writer.reset();
  writePutRequest(writer, putRequest(`${EVENTS_PREFIX}default/event-${i % FLOOD_KEYS}`, FLOOD_VALUE));
  return writer.bytes();
};
tellAtWork();
await runOpenLoop({
  clients,
  path: "/etcdserverpb.KV/Put",
  request,
  perSecond: Number(perSecond),
  seconds: SECONDS_MAX,
  openMax: OPEN_MAX,
  histogram: new LatencyHistogram(),
});
