/**
 * A client that lists a prefix without pages, again and again, and tells how long each list took. Arguments: the URL, the
 * prefix, and how many bytes a list has at least.
 */

import assert from "node:assert/strict";

import { LeanClient } from "../client/lean-client.ts";
import { tellAtWork, tellTimed } from "../tell-starter.ts";
import { listRequest } from "./requests.ts";

const [url, prefix, bytesMin] = process.argv.slice(2);
const client = await LeanClient.connect(url);
const request = listRequest(prefix);
for (let lists = 0; ; lists++) {
  const startedMs = performance.now();
  const reply = await client.call("/etcdserverpb.KV/Range", request);
  assert(reply.length >= Number(bytesMin), "a list is complete");
  // The first comes with the start of the process.
  if (lists === 0) tellAtWork();
  else tellTimed(performance.now() - startedMs);
}
