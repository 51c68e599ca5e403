/** Gives a server's history up, so that no server works on what one round has left in another round's time. */

import { writeCompactionRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { currentRevision } from "./revision.ts";

/** Returns when the history is dropped. */
export async function compact(client: LeanClient): Promise<void> {
  const writer = new Writer();
  writeCompactionRequest(writer, { revision: await currentRevision(client), physical: true });
  try {
    await client.call("/etcdserverpb.KV/Compact", writer.bytes());
  } catch (error) {
    // After a round of reads there is nothing new to drop.
    if (!(error instanceof Error && error.message.includes("has been compacted"))) throw error;
  }
}
