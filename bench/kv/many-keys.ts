/** Keys by the million: how servers get them, and what is asked of them. */

import { writeRangeRequest, writeTxnRequest } from "../../proto/request-writers.ts";
import { decodeRangeResponse, decodeTxnResponse } from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { prefixEnd, put, rangeRequest, txnRequest } from "../client/requests.ts";
import type { Workload } from "./workloads.ts";

const PREFIX = "/registry/pods/";
const VALUE = Buffer.alloc(300, 0x76);
const RANGE_PATH = "/etcdserverpb.KV/Range";

/** Keys of a txn: with their values less than the largest request that etcd takes. */
const KEYS_PER_TXN = 2_500;
const TXNS_IN_FLIGHT = 4;

/** What servers are told, so that they take such txns. */
export const MANY_KEYS_FLAGS = [`--max-txn-ops=${KEYS_PER_TXN}`] as const;

/** The next number is so much more, mod the number of keys: neighbours are not asked for one after the other. A prime. */
const STRIDE = 611_953;

export const LIST_LIMIT = 500;

export const manyKeysText = "keys of 51 bytes with values of 300 bytes";

/** The key of that number. */
export function manyKeysKey(number: number): string {
  return `${PREFIX}namespace-0000/deployment-${String(number).padStart(10, "0")}`;
}

/** Stores `keys` keys, each with its value, and returns when all are there. */
export async function storeKeys(
  client: LeanClient,
  keys: number,
  value: (number: number) => Buffer = () => VALUE,
): Promise<void> {
  const writer = new Writer();
  let next = 0;
  const storeSome = async (): Promise<void> => {
    while (next < keys) {
      const first = next;
      next = Math.min(keys, first + KEYS_PER_TXN);
      const puts = Array.from({ length: next - first }, (_, i) => put(manyKeysKey(first + i), value(first + i)));
      writer.reset();
      writeTxnRequest(writer, txnRequest(puts));
      const { succeeded } = decodeTxnResponse(await client.call("/etcdserverpb.KV/Txn", writer.bytes()));
      if (!succeeded) throw new Error("a txn without conditions succeeds");
    }
  };
  await Promise.all(Array.from({ length: TXNS_IN_FLIGHT }, storeSome));
}

/** Ranges of one kind, from another key each time. */
class Ranges implements Workload {
  readonly name: string;
  readonly path = RANGE_PATH;
  readonly #keys: number;
  readonly #request: (number: number) => Parameters<typeof writeRangeRequest>[1];
  readonly #isRight: (reply: Buffer) => boolean;
  readonly #writer = new Writer();
  #number = 0;

  constructor(
    name: string,
    keys: number,
    request: (number: number) => Parameters<typeof writeRangeRequest>[1],
    isRight: (reply: Buffer) => boolean,
  ) {
    this.name = name;
    this.#keys = keys;
    this.#request = request;
    this.#isRight = isRight;
  }

  request(): Uint8Array {
    this.#number = (this.#number + STRIDE) % this.#keys;
    this.#writer.reset();
    writeRangeRequest(this.#writer, this.#request(this.#number));
    return this.#writer.bytes();
  }

  onReply(_slot: number, reply: Buffer): void {
    if (!this.#isRight(reply)) throw new Error(`${this.name}: the answer is wrong`);
  }
}

/** One key of many. */
export function pointRanges(keys: number): Workload {
  return new Ranges(
    "Range of one key",
    keys,
    (number) => rangeRequest(manyKeysKey(number)),
    (reply) => reply.length > VALUE.length,
  );
}

/** A page that begins at any key, as a paged list asks for it. */
export function pages(keys: number): Workload {
  const limit = Math.min(LIST_LIMIT, keys);
  const rangeEnd = prefixEnd(PREFIX);
  return new Ranges(
    `Range, limit ${LIST_LIMIT}`,
    keys - limit + 1,
    (number) => rangeRequest(manyKeysKey(number), { rangeEnd, limit }),
    (reply) => reply.length > limit * VALUE.length,
  );
}

/** The number of all keys. */
export function counts(keys: number): Workload {
  const rangeEnd = prefixEnd(PREFIX);
  return new Ranges(
    "Range, count only",
    keys,
    () => rangeRequest(PREFIX, { rangeEnd, countOnly: true }),
    (reply) => decodeRangeResponse(reply).count === keys,
  );
}
