/** A server that may use little memory in all, and is filled with large values, which lie outside of the heap. */
import { expect, onTestFinished, test } from "vitest";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { deleteRequest, prefixEnd, putRequest } from "../../bench/client/requests.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";

const LIMIT_BYTES = 320 * 1024 * 1024;
const VALUE = "x".repeat(500_000);
const PREFIX = "/registry/secrets/";
const TIMEOUT_MS = 120_000;

test(
  "values are refused before the memory limit is reached, and taken again when there is room",
  { timeout: TIMEOUT_MS },
  async () => {
    const plinth = await startPlinth({ flags: [`--memory-limit-bytes=${LIMIT_BYTES}`] });
    onTestFinished(() => plinth.remove());
    const client = await EtcdClient.connect(plinth.url);
    onTestFinished(() => client.lean.destroy());
    const tryPut = (i: number): Promise<unknown> =>
      client.put(putRequest(`${PREFIX}${i}`, VALUE)).then(
        () => "taken",
        (error: unknown) => error,
      );
    let refused: unknown = "taken";
    let count = 0;
    for (; refused === "taken" && count < LIMIT_BYTES / VALUE.length; count++) refused = await tryPut(count);
    expect(refused).toBeInstanceOf(GrpcError);
    expect(refused).toMatchObject({ code: 8, message: "etcdserver: mvcc: database space exceeded" });
    expect(count).toBeGreaterThan(50);
    const { header } = await client.deleteRange(deleteRequest(PREFIX, prefixEnd(PREFIX)));
    await client.compact({ revision: header?.revision ?? 0, physical: true });
    const alarm = { alarm: ALARM_NOSPACE, memberID: header?.memberId ?? 0n, action: ALARM_ACTION_DEACTIVATE };
    await expect
      .poll(
        async () => {
          await client.alarm(alarm);
          return tryPut(0);
        },
        { timeout: TIMEOUT_MS },
      )
      .toBe("taken");
  },
);
