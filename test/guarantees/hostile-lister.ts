/**
 * A process that lists a prefix without pages, again and again, until it is ended. After each list it prints one line: the
 * list's milliseconds and bytes. Arguments: the URL and the prefix.
 */
import process from "node:process";
import { LeanClient } from "../../bench/lean-client.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { prefixEnd, rangeRequest } from "../support/requests.ts";

const [url, prefix] = process.argv.slice(2);
const writer = new Writer();
writeRangeRequest(writer, rangeRequest(prefix, { rangeEnd: prefixEnd(prefix) }));
const client = await LeanClient.connect(url);
for (;;) {
  const startedMs = performance.now();
  const reply = await client.call("/etcdserverpb.KV/Range", writer.copy());
  process.stdout.write(`${performance.now() - startedMs} ${reply.length}\n`);
}
