import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { authStatusRequest, authStatusResponse } from "../../proto/auth.ts";
import {
  ALARM_ACTION_ACTIVATE,
  ALARM_ACTION_DEACTIVATE,
  ALARM_ACTION_GET,
  ALARM_CORRUPT,
  ALARM_NONE,
  ALARM_NOSPACE,
} from "../../proto/rare.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import {
  deleteRequest,
  nested,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { currentRevision, expectRefused, KEY_NOT_PROVIDED, NO_SPACE, pairsOf, REQUEST_TOO_LARGE } from "./answers.ts";
import { encode, prepare } from "./refused-calls.ts";
import type { RefusedCall } from "./refused-calls.ts";
import { REFUSAL_TABLES } from "./refusal-tables.ts";
import { CHEAP_PASSWORDS, rpc } from "./users.ts";

const CORRUPT = [15, "etcdserver: corrupt cluster"] as const;
const KEY_A = encode(writeRangeRequest, rangeRequest("a"));

describeStores("errors", (start) => {
  const shared = new SharedStore(start);

  beforeAll(() => prepare(shared.client));

  test("§10: paths that are none are told as grpc-go does", async () => {
    const { lean } = shared.client;
    await expectRefused(lean.call("/nope", KEY_A), 12, 'malformed method name: "/nope"');
    await expectRefused(lean.call("/a/b/c", KEY_A), 12, "unknown service a/b");
    await expectRefused(
      lean.call("/etcdserverpb.KV/range", KEY_A),
      12,
      "unknown method range for service etcdserverpb.KV",
    );
  });

  test("§10: bytes that are not a message are an internal error", async () => {
    const bad = [[0x0a, 5, 1], [0xff], [0x0a], [0x07], [0x0f, 1], [0x00, 1]];
    for (const bytes of bad) {
      for (const method of ["KV/Range", "KV/Put", "KV/DeleteRange", "KV/Txn", "Lease/LeaseGrant"]) {
        const call = shared.client.lean.call(`/etcdserverpb.${method}`, Buffer.from(bytes));
        const message = expect.stringMatching(/^grpc: error unmarshalling request: ./);
        await expect(call).rejects.toMatchObject({ code: 13, message });
      }
    }
    // Fields that are not known, and of another type than the known ones, are no error.
    const odd = Buffer.concat([KEY_A, Buffer.from([0x78, 1, 0xa2, 0x06, 1, 0])]);
    await shared.client.lean.call("/etcdserverpb.KV/Range", odd);
  });

  test("§3.2: a client's version must be UTF-8, other metadata is not looked at", async () => {
    const { lean } = shared.client;
    const call = (name: string, value: string) =>
      lean.call("/etcdserverpb.KV/Range", KEY_A, { metadata: [[name, value]] });
    for (const version of ["3.6", "3.7.3", "v3", "", "anything", "3.6\xc3\xa9"])
      await call("client-api-version", version);
    for (const version of ["\xff", "3.6\xc3"]) {
      await expectRefused(call("client-api-version", version), 3, "etcdserver: invalid client api version");
    }
    await call("hasleader", "true");
    await call("token", "of nobody");
    await call("authorization", "Bearer nobody");
    await call("source", "cache");
  });

  describe("alarms come last", () => {
    const alarm = async (action: number, kind: number): Promise<void> => {
      const memberID = (await shared.client.status()).leader;
      await shared.client.alarm({ action, memberID, alarm: kind });
    };

    afterEach(async () => {
      for (const kind of [ALARM_NOSPACE, ALARM_CORRUPT]) await alarm(ALARM_ACTION_DEACTIVATE, kind);
    });

    const checkedBefore = async (): Promise<void> => {
      const { client } = shared;
      await expectRefused(client.put(putRequest("", "1")), ...KEY_NOT_PROVIDED);
      await expectRefused(
        client.txn(txnRequest([put("a"), put("a")])),
        3,
        "etcdserver: duplicate key given in txn request",
      );
      await expectRefused(client.put(putRequest("a", Buffer.alloc(1_572_864))), ...REQUEST_TOO_LARGE);
      await expectRefused(client.deleteRange(deleteRequest("")), ...KEY_NOT_PROVIDED);
    };

    test("§10 check order: NOSPACE refuses after fields and size, and before leases and keys are looked up", async () => {
      const { client } = shared;
      await alarm(ALARM_ACTION_ACTIVATE, ALARM_NOSPACE);
      // It is listed whichever member is asked for.
      const listed = await client.alarm({ action: ALARM_ACTION_GET, memberID: 77n, alarm: ALARM_NONE });
      expect(listed.alarms).toMatchObject([{ alarm: ALARM_NOSPACE }]);
      await checkedBefore();
      await expectRefused(client.put(putRequest("none", "", { ignoreValue: true })), ...NO_SPACE);
      await expectRefused(client.put(putRequest("a", "", { lease: 1n })), ...NO_SPACE);
      await expectRefused(client.txn(txnRequest([], [nested([], [put("a")])])), ...NO_SPACE);
      await expectRefused(client.leaseGrant({ ID: 0n, TTL: 9_000_000_001 }), ...NO_SPACE);
      const reading = await client.txn(txnRequest([range("a"), nested([range("a")])]));
      expect(reading.responses).toHaveLength(2);
    });

    test("§9.2 CORRUPT refuses every change after fields and size, and no read", async () => {
      const { client } = shared;
      await alarm(ALARM_ACTION_ACTIVATE, ALARM_CORRUPT);
      await checkedBefore();
      await expectRefused(client.deleteRange(deleteRequest("none")), ...CORRUPT);
      await expectRefused(client.txn(txnRequest([nested([range("a")])])), ...CORRUPT);
      await expectRefused(client.compact({ revision: 2 ** 40, physical: false }), ...CORRUPT);
      await expectRefused(client.leaseRevoke(1n), ...CORRUPT);
      await expectRefused(client.leaseGrant({ ID: 0n, TTL: 60 }), ...CORRUPT);
      expect(pairsOf((await client.range(rangeRequest("a"))).kvs)).toEqual(["a=2"]);
      const [message] = await client.rangeStream(rangeRequest("a"));
      expect(pairsOf(message.kvs)).toEqual(["a=2"]);
      expect((await client.txn(txnRequest([range("a")], [range("a")]))).responses).toHaveLength(1);
      expect((await client.leaseTimeToLive(7n)).grantedTTL).toBe(600);
      expect((await client.hashKv(0)).hashRevision).toBe(await currentRevision(client));
    });
  });
});

describeStores("every refusal", (start) => {
  describe.each(REFUSAL_TABLES)("$state", (table) => {
    const shared = new SharedStore(start, CHEAP_PASSWORDS);
    let calls: readonly RefusedCall[];

    beforeAll(async () => {
      calls = await table.prepare(shared.client);
    });

    test("§10 OC-08: it has etcd's code and text, and changes nothing", async () => {
      const { lean } = shared.client;
      const before = await unchangeable(shared);
      for (const { what, path, message, code, text, token } of calls) {
        const metadata: [string, string][] = token === null ? [] : [["token", token]];
        const refused = lean.call(path, message, { metadata }).then(
          () => "no error",
          (error: { code: number; message: string }) => [error.code, error.message],
        );
        expect([what, await refused]).toEqual([what, [code, text]]);
      }
      expect(await unchangeable(shared)).toEqual(before);
    });

    test("§10: @grpc/grpc-js understands it alike", async () => {
      const client = new Client(new URL(shared.store.url).host, credentials.createInsecure(), {
        "grpc.max_send_message_length": -1,
      });
      const identity = (bytes: Buffer): Buffer => bytes;
      for (const { what, path, message, code, text, token } of calls) {
        const metadata = new Metadata();
        if (token !== null) metadata.set("token", token);
        const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
        client.makeUnaryRequest(path, identity, identity, Buffer.from(message), metadata, resolve);
        const error = await promise;
        expect([what, error?.code, error?.details]).toEqual([what, code, text]);
      }
      client.close();
    });
  });
});

/** What no refused call may change, as far as anybody may ask for it: the revision, and that of users and roles. */
async function unchangeable({ client }: SharedStore): Promise<unknown> {
  const { enabled, authRevision, header } = await rpc(client, "AuthStatus", authStatusRequest, authStatusResponse, {});
  return { enabled, authRevision, revision: header?.revision };
}
