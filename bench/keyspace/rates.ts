/** How fast a keyspace is read. */

import assert from "node:assert/strict";

import { readShort } from "../../partitions/range/range.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { emptyRangeRequest } from "../../proto/requests.ts";
import { writeMadeRangeResponse } from "../../proto/responses.ts";
import type { RangeRequest, RangeResponse } from "../../proto/messages.ts";
import { Writer } from "../../proto/writer.ts";
import { median } from "../statistics.ts";
import type { Rate } from "./figures.ts";
import { KEY_BYTES, type Stock, VALUE_BYTES } from "./stock.ts";
import { timed } from "./timed.ts";

export const LIST_LIMIT = 500;
const LIST_BYTES_MAX = LIST_LIMIT * (KEY_BYTES + VALUE_BYTES + 64);
const COUNTS = 101;

/** Reads of one key, encoded as an answer. */
export function measureGets(stock: Stock, count: number): Promise<Rate> {
  const writer = new Writer();
  return timed(count, (step) => {
    writer.reset();
    const kvs = stock.keyspace.rangeOfKey({ ...emptyRangeRequest(), key: stock.key(stock.at(step)) });
    assert(!(kvs instanceof Refusal), "a read is not refused");
    writeMadeRangeResponse(writer, { header: null, kvs, more: false, count: kvs.count });
    assert(writer.length > VALUE_BYTES, "a key is found");
  });
}

/** Pages, of which each item is copied out as a server does: pinned, and from where it lies to where it is sent. */
export function measureLists(stock: Stock, lists: number): Promise<Rate> {
  const limit = Math.min(LIST_LIMIT, stock.keys);
  const target = Buffer.alloc(LIST_BYTES_MAX);
  const rangeEnd = Buffer.from(stock.key(stock.keys));
  return timed(
    lists,
    (step) => {
      const key = stock.key(stock.at(step) % (stock.keys - limit + 1));
      const cursor = stock.keyspace.openRange({ ...emptyRangeRequest(), key, rangeEnd, limit });
      assert(!(cursor instanceof Refusal), "a read is not refused");
      const kvs = stock.keyspace.openKvList(false);
      assert(
        readShort(cursor, limit, (refs) => kvs.add(refs)),
        "a page is short",
      );
      kvs.read(target, 0, kvs.length);
      kvs.release();
      assert(kvs.length > limit * VALUE_BYTES, "a page is full");
    },
    limit,
  );
}

/** The time of one count of nearly all keys: its bounds lie inside, so that it takes descents. */
export function measureCount(stock: Stock): number {
  const rangeEnd = Buffer.from(stock.key(stock.keys - 1));
  const milliseconds: number[] = [];
  for (let i = 0; i < COUNTS; i++) {
    const begun = performance.now();
    const { count } = read(stock, { ...emptyRangeRequest(), key: stock.key(1), rangeEnd, countOnly: true });
    milliseconds.push(performance.now() - begun);
    assert(count === stock.keys - 2, "every key is counted");
  }
  return median(milliseconds);
}

function read(stock: Stock, request: RangeRequest): RangeResponse {
  const response = stock.keyspace.range(request);
  assert(!(response instanceof Refusal), "a read is not refused");
  return response;
}
