import { expect, test } from "vitest";
import { Keyspace } from "../../../../partitions/keyspace.ts";
import { Refusal } from "../../../../partitions/refusals.ts";
import { writeTxnResponse } from "../../../../proto/responses.ts";
import { Writer } from "../../../../proto/writer.ts";
import { txnBytes } from "../../../../server/api/kv/answer-size.ts";
import { del, nested, put, putRequest, range, txnRequest } from "../../../../bench/client/requests.ts";

test("the size of a txn's answer is known before it is built, whatever is nested in it", () => {
  const keyspace = new Keyspace();
  for (let i = 0; i < 10; i++) keyspace.put(putRequest(`k${i}`, "v".repeat(1_000)));
  const all = { rangeEnd: Buffer.from("l") };
  const response = keyspace.txn(
    txnRequest([range("k", all), nested([range("k", all), put("x")]), del("k", "l", true), range("none")]),
  );
  if (response instanceof Refusal) throw new Error(response.message);
  const writer = new Writer();
  writeTxnResponse(writer, response);
  const bytes = txnBytes(response);
  expect(bytes).toBeGreaterThan(30_000);
  // What is not records is tags, lengths and headers.
  expect(writer.length - bytes).toBeGreaterThan(0);
  expect(writer.length - bytes).toBeLessThan(150);
});
