/**
 * A client that waits for its watch again and again as kube-apiserver does before it answers a consistent list from its
 * cache: it reads the store's revision, asks the watch for progress, and asks again every 100 ms until the watch has
 * told of that revision. It tells how long that took from the first time that it asked. Arguments: the URL and the
 * watched prefix.
 */

import { setTimeout as pause } from "node:timers/promises";

import { decodeWatchResponse } from "../../proto/response-readers.ts";
import { writeWatchRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { prefixWatch } from "../client/requests.ts";
import { currentRevision } from "../kv/revision.ts";
import { LeanClient } from "../client/lean-client.ts";
import { tellAtWork, tellTimed } from "../tell-starter.ts";

/** progressRequestPeriod of kube-apiserver. */
const ASK_AGAIN_MILLISECONDS = 100;
const PAUSE_MILLISECONDS = 5;

/** Messages with events are longer, with values of at least 600 bytes, and need not be decoded here. */
const PROGRESS_BYTES_MAX = 100;
const PROGRESS_WATCH_ID = -1;

const [url, prefix] = process.argv.slice(2);
// Two connections: the store's revision must not have to wait behind the watch's events.
const client = await LeanClient.connect(url);
const watcher = await LeanClient.connect(url);
const created = Promise.withResolvers<void>();
let wanted = 0;
let told = Promise.withResolvers<void>();

const writer = new Writer();
const stream = watcher.stream("/etcdserverpb.Watch/Watch", {
  onMessage(message) {
    if (message.length > PROGRESS_BYTES_MAX) return;
    const response = decodeWatchResponse(message);
    if (response.created) created.resolve();
    else if (response.watchId === PROGRESS_WATCH_ID && (response.header?.revision ?? 0) >= wanted) told.resolve();
  },
  onEnd(status, text) {
    throw new Error(`the watch ended with status ${status}: ${text}`);
  },
});
writeWatchRequest(writer, { case: "create", request: prefixWatch(prefix) });
stream.send(writer.bytes());
writer.reset();
writeWatchRequest(writer, { case: "progress" });
await created.promise;
tellAtWork();

for (;;) {
  wanted = await currentRevision(client);
  told = Promise.withResolvers<void>();
  const startedMs = performance.now();
  stream.send(writer.bytes());
  const again = setInterval(() => stream.send(writer.bytes()), ASK_AGAIN_MILLISECONDS);
  await told.promise;
  clearInterval(again);
  tellTimed(performance.now() - startedMs);
  await pause(PAUSE_MILLISECONDS);
}
