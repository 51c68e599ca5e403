/** Updates of many keys in no order, with values that are told apart as those of objects are. */

import { randomBytes } from "node:crypto";

import { writePutRequest } from "../../proto/request-writers.ts";
import { emptyPutRequest } from "../../proto/requests.ts";
import { Writer } from "../../proto/writer.ts";
import { runClosedLoop } from "../client/closed-loop.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { manyKeysKey } from "./many-keys.ts";

export const VALUE_BYTES = 300;

/** A quarter of a value's bytes are its own, as of objects that differ in names, times and ids. */
const OWN_BYTES = 75;
const OWN_VALUES = 4_096;

const IN_FLIGHT = 50;
const SECONDS_MAX = 3_600;

const VALUES = Array.from({ length: OWN_VALUES }, () => {
  const value = Buffer.alloc(VALUE_BYTES, 0x76);
  randomBytes(OWN_BYTES).copy(value);
  return value;
});

/** A value for the number of a key, or of an update. */
export function objectValue(number: number): Buffer {
  return VALUES[number % OWN_VALUES];
}

/** Puts to so many of `keys` keys as fast as the server takes them, and returns when all are answered. */
export async function updateObjects(clients: readonly LeanClient[], keys: number, count: number): Promise<void> {
  const writer = new Writer();
  let given = 0;
  await runClosedLoop(
    {
      clients,
      inFlight: Math.min(IN_FLIGHT, Math.ceil(count / clients.length)),
      path: "/etcdserverpb.KV/Put",
      request: () => {
        const key = Buffer.from(manyKeysKey(Math.floor(Math.random() * keys)));
        writer.reset();
        writePutRequest(writer, { ...emptyPutRequest(), key, value: objectValue(given++) });
        return writer.bytes();
      },
    },
    { warmUpSeconds: 0, seconds: SECONDS_MAX, callsMax: count },
  );
}
