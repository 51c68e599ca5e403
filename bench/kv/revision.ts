/** The revision that a server is at, as a client learns it that must not read what is out of date. */

import { writeRangeRequest } from "../../proto/request-writers.ts";
import { emptyRangeRequest } from "../../proto/requests.ts";
import { decodeRangeResponse } from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";
import type { LeanClient } from "../client/lean-client.ts";

/** A key that is in no store; kube-apiserver asks for it to the same end. */
const KEY = Buffer.from("compact_rev_key");

export async function currentRevision(client: LeanClient): Promise<number> {
  const writer = new Writer();
  writeRangeRequest(writer, { ...emptyRangeRequest(), key: KEY });
  const { header } = decodeRangeResponse(await client.call("/etcdserverpb.KV/Range", writer.bytes()));
  return header?.revision ?? 0;
}
