/**
 * Reads everything back: each object that was written must be as the last acknowledged write has left it, and of each
 * resource there must be as many as were left.
 */

import { decodeRangeResponse } from "../../proto/response-readers.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import { emptyRangeRequest } from "../../proto/requests.ts";
import { Writer } from "../../proto/writer.ts";
import { prefixEnd } from "../client/requests.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { numberOf, VALUE_BYTES_MIN } from "./objects.ts";
import type { ObjectTable } from "./object-table.ts";
import { getRequest, RANGE_PATH } from "./reads.ts";
import { readOnlyKv } from "./replies.ts";

const IN_FLIGHT = 200;
const WRONG_MAX = 10;

export interface Verified {
  readonly objectsRead: number;
  /** Of these no last acknowledged write is known. */
  readonly uncertain: number;
  readonly wrong: readonly string[];
}

export async function verifyTables(client: LeanClient, tables: readonly ObjectTable[]): Promise<Verified> {
  const wrong: string[] = [];
  let objectsRead = 0;
  let uncertain = 0;
  for (const table of tables) {
    objectsRead += await verifyWritten(client, table, wrong);
    const unsure = table.countUncertain();
    uncertain += unsure;
    const count = await countOf(client, table.resource.prefix);
    const expected = table.countExisting();
    if (Math.abs(count - expected) > unsure) wrong.push(`${count} instead of ${expected} ${table.resource.name}`);
  }
  return { objectsRead, uncertain, wrong: wrong.slice(0, WRONG_MAX) };
}

async function verifyWritten(client: LeanClient, table: ObjectTable, wrong: string[]): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let next = 0;
  let open = 0;
  let read = 0;
  const fill = (): void => {
    while (open < IN_FLIGHT && next < table.length) {
      const i = next++;
      if (!table.isWritten(i) || table.isUncertain(i)) continue;
      open++;
      read++;
      client.unary(RANGE_PATH, getRequest(table.keys.key(i)), (status, reply, text) => {
        open--;
        const problem = status === 0 ? problemOf(table, i, reply) : text;
        if (problem !== null) wrong.push(`${table.keys.key(i).toString("latin1")}: ${problem}`);
        fill();
      });
    }
    if (open === 0) resolve();
  };
  fill();
  await promise;
  return read;
}

function problemOf(table: ObjectTable, i: number, reply: Buffer): string | null {
  const revision = table.revision(i);
  const kv = readOnlyKv(reply);
  if (kv === null) return revision === 0 ? null : `is not there, and was written at ${revision}`;
  if (revision === 0) return `is there at ${kv.modRevision}, and was deleted`;
  if (kv.modRevision !== revision) return `is of revision ${kv.modRevision} instead of ${revision}`;
  const isOwn = kv.valueBytes >= VALUE_BYTES_MIN && numberOf(reply, kv.valueAt) === table.number(i);
  return isOwn ? null : `has another value than was written at ${revision}`;
}

async function countOf(client: LeanClient, prefix: string): Promise<number> {
  const writer = new Writer();
  const key = Buffer.from(prefix, "latin1");
  writeRangeRequest(writer, { ...emptyRangeRequest(), key, rangeEnd: prefixEnd(prefix), countOnly: true });
  return decodeRangeResponse(await client.call(RANGE_PATH, writer.bytes())).count;
}
