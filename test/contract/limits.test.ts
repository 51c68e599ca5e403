import { describe, expect, test } from "vitest";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { PutRequest, RequestOp } from "../../proto/messages.ts";
import {
  ALARM_ACTION_DEACTIVATE,
  ALARM_ACTION_GET,
  ALARM_NONE,
  ALARM_NOSPACE,
  defragmentRequest,
  defragmentResponse,
} from "../../proto/rare.ts";
import type { AlarmMember } from "../../proto/rare.ts";
import { writeDeleteRangeRequest, writePutRequest, writeTxnRequest } from "../../proto/request-writers.ts";
import { REQUEST_ENVELOPE_BYTES } from "../../server/limits.ts";
import {
  compare,
  del,
  deleteRequest,
  nested,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { eventsOf } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import {
  COMPACTED,
  crash,
  currentRevision,
  expectRefused,
  NO_SPACE,
  REQUEST_TOO_LARGE,
  revisionOf,
} from "./answers.ts";
import { encode } from "./refused-calls.ts";

const REQUEST_BYTES_MAX = 1_572_864;
const MESSAGE_BYTES_MAX = 2_097_152;

/** A message of exactly that many bytes, by the length of what `make` is asked to put into it. */
function sized(bytes: number, make: (length: number) => Uint8Array): Uint8Array {
  const about = bytes - 100;
  const message = make(bytes - (make(about).length - about));
  expect(message.length).toBe(bytes);
  return message;
}

const MAKERS: Readonly<Record<string, (length: number) => Uint8Array>> = {
  Put: (length) => encode(writePutRequest, putRequest("size", Buffer.alloc(length))),
  Txn: (length) => encode(writeTxnRequest, txnRequest([put("size", Buffer.alloc(length))])),
  DeleteRange: (length) => encode(writeDeleteRangeRequest, deleteRequest("k".repeat(length))),
};

/**
 * What a log entry of etcd has besides a request of 16 KiB to 2 MiB: field number and length of the request, and a header
 * with an id whose upper 16 bits are the lower ones of the member's id.
 */
function envelopeBytes(memberId: bigint): number {
  const id = ((memberId & 0xffffn) << 48n) | (1n << 47n);
  const idBytes = Math.ceil(id.toString(2).length / 7);
  return 1 + 3 + 2 + 1 + 1 + idBytes;
}

describeStores("limits", (start, name) => {
  describe("by default", () => {
    const shared = new SharedStore(start);

    const send = (method: string, message: Uint8Array): Promise<Buffer> =>
      shared.client.lean.call(`/etcdserverpb.KV/${method}`, message);

    test("PT-08: a write may have 1.5 MiB with the envelope of a log entry, to the byte", async () => {
      const { leader } = await shared.client.status();
      const envelope = name === "etcd" ? envelopeBytes(leader) : REQUEST_ENVELOPE_BYTES;
      // Ours is that of an etcd whose member id takes most room.
      expect(envelope).toBeLessThanOrEqual(REQUEST_ENVELOPE_BYTES);
      const largest = REQUEST_BYTES_MAX - envelope;
      for (const [method, make] of Object.entries(MAKERS)) {
        await send(method, sized(largest, make));
        await expectRefused(send(method, sized(largest + 1, make)), ...REQUEST_TOO_LARGE);
      }
    });

    test("GR-03: any message may have 512 KiB more, to the byte, and a read that is so long is answered", async () => {
      const { client } = shared;
      await expectRefused(send("Put", sized(MESSAGE_BYTES_MAX, MAKERS.Put)), ...REQUEST_TOO_LARGE);
      const tooLong = "grpc: received message larger than max (2097153 vs. 2097152)";
      await expectRefused(send("Put", sized(MESSAGE_BYTES_MAX + 1, MAKERS.Put)), 8, tooLong);
      const key = "k".repeat(MESSAGE_BYTES_MAX - 100);
      expect((await client.range(rangeRequest(key))).count).toBe(0);
      expect((await client.txn(txnRequest([range(key)]))).responses).toHaveLength(1);
      await expectRefused(
        client.range(rangeRequest(key + "k".repeat(100))),
        8,
        "grpc: received message larger than max (2097157 vs. 2097152)",
      );
    });
  });

  describe("with --max-request-bytes=67108864", () => {
    const shared = new SharedStore(start, ["--max-request-bytes=67108864"]);

    test("PT-08: values of 8 and 60 MiB are stored, read, told to watchers, and there after a crash", async () => {
      const sizes = [8, 60].map((mebibytes) => mebibytes * 1024 * 1024);
      const watch = shared.client.watch();
      await watch.create(prefixWatch("large/"));
      const watched: number[] = [];
      for (const size of sizes) {
        await shared.client.put(putRequest(`large/${size}`, Buffer.alloc(size, size / 1e6)));
        while (watched.length < sizes.indexOf(size) + 1) {
          watched.push(...eventsOf(await watch.next()).map(({ kv }) => kv?.value.length ?? 0));
        }
      }
      expect(watched).toEqual(sizes);
      await expectRefused(shared.client.put(putRequest("large/a", Buffer.alloc(67_108_864))), ...REQUEST_TOO_LARGE);
      await crash(shared);
      for (const size of sizes) {
        const { kvs } = await shared.client.range(rangeRequest(`large/${size}`));
        expect(decodeKeyValue(kvs[0]).value.equals(Buffer.alloc(size, size / 1e6))).toBe(true);
      }
    });
  });

  describe("by flags", () => {
    const flags = ["--max-txn-ops=4", "--max-request-bytes=65536", "--quota-backend-bytes=1048576"];
    const shared = new SharedStore(start, flags);

    const alarms = async (action: number, alarm: number): Promise<AlarmMember[]> => {
      const memberID = action === ALARM_ACTION_GET ? 0n : (await shared.client.status()).leader;
      return (await shared.client.alarm({ action, alarm, memberID })).alarms;
    };

    test("TX-01: --max-txn-ops", async () => {
      const { client } = shared;
      const puts = (count: number): RequestOp[] => Array.from({ length: count }, (_, i) => put(`ops/${i}`));
      const tooMany = [3, "etcdserver: too many operations in txn request"] as const;
      expect((await client.txn(txnRequest(puts(4), puts(4)))).responses).toHaveLength(4);
      await expectRefused(client.txn(txnRequest([], puts(5))), ...tooMany);
      await expectRefused(
        client.txn(
          txnRequest(
            [],
            [],
            puts(5).map(() => compare("a")),
          ),
        ),
        ...tooMany,
      );
      await client.txn(txnRequest([nested(puts(3))]));
      await expectRefused(client.txn(txnRequest([nested(puts(4))])), ...tooMany);
    });

    test("PT-08, GR-03: --max-request-bytes", async () => {
      const { client } = shared;
      const key = "k".repeat(65_536 + 524_288);
      await client.put(putRequest("request", Buffer.alloc(65_000)));
      await expectRefused(client.put(putRequest("request", Buffer.alloc(65_536))), ...REQUEST_TOO_LARGE);
      const tooLong = "grpc: received message larger than max (589828 vs. 589824)";
      await expectRefused(client.range(rangeRequest(key)), 8, tooLong);
      expect((await client.range(rangeRequest(key.slice(4)))).count).toBe(0);
    });

    test("§9.2 NOSPACE: the write that would outgrow the quota raises the alarm; room and a disarm end it", async () => {
      const { client } = shared;
      const big = (key: string): PutRequest => putRequest(key, Buffer.alloc(60_000));
      const outgrow = async (): Promise<void> => {
        // So many because etcd looks at its size ten times a second only.
        for (let i = 0; i < 1_000; i++) await client.put(big(`fill/${i}`));
      };
      await expectRefused(outgrow(), ...NO_SPACE);
      const raised = [{ memberID: (await client.status()).leader, alarm: ALARM_NOSPACE }];
      expect(await alarms(ALARM_ACTION_GET, ALARM_NONE)).toEqual(raised);

      // What may add bytes is refused, even in a branch that is not taken; the quota before anything else.
      await expectRefused(client.put(putRequest("small")), ...NO_SPACE);
      await expectRefused(client.put(big("")), ...NO_SPACE);
      await expectRefused(client.txn(txnRequest([], [put("small")])), ...NO_SPACE);
      await expectRefused(client.leaseGrant({ ID: 0n, TTL: 60 }), ...NO_SPACE);

      // What reads or removes is not.
      expect((await client.range(rangeRequest("fill/0"))).count).toBe(1);
      expect((await client.txn(txnRequest([range("fill/0")]))).succeeded).toBe(true);
      expect((await client.txn(txnRequest([del("fill/0")]))).succeeded).toBe(true);
      const deleted = await client.deleteRange(deleteRequest("fill/", "fill0"));
      expect(deleted.deleted).toBeGreaterThan(5);
      const revision = await currentRevision(client);
      expect(revisionOf(await client.compact({ revision, physical: true }))).toBe(revision);
      await expectRefused(client.compact({ revision, physical: true }), ...COMPACTED);
      await client.rare("Maintenance/Defragment", defragmentRequest, defragmentResponse, {});

      await expectRefused(client.put(putRequest("small")), ...NO_SPACE);
      expect(await alarms(ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE)).toEqual(raised);
      expect(await alarms(ALARM_ACTION_GET, ALARM_NONE)).toEqual([]);
      expect(revisionOf(await client.put(big("small")))).toBe(revision + 1);
    });
  });

  describe("with a quota of 20 MiB", () => {
    const QUOTA_BYTES = 20 * 1024 * 1024;
    const shared = new SharedStore(start, [`--quota-backend-bytes=${QUOTA_BYTES}`]);

    test("§9.2 the way out of NOSPACE: delete, compact to that revision, defragment, disarm, write", async () => {
      const { client } = shared;
      const big = (key: string): PutRequest => putRequest(key, Buffer.alloc(100_000));
      const outgrow = async (): Promise<void> => {
        for (let i = 0; i < 1_000; i++) await client.put(big(`fill/${i}`));
      };
      for (let round = 0; round < 2; round++) {
        await expectRefused(outgrow(), ...NO_SPACE);
        const revision = revisionOf(await client.deleteRange(deleteRequest("fill/", "fill0")));
        await client.compact({ revision, physical: true });
        await client.rare("Maintenance/Defragment", defragmentRequest, defragmentResponse, {});
        const { dbSizeInUse, leader } = await client.status();
        expect(dbSizeInUse).toBeLessThan(QUOTA_BYTES / 10);
        await client.alarm({ action: ALARM_ACTION_DEACTIVATE, alarm: ALARM_NOSPACE, memberID: leader });
        for (let i = 0; i < 10; i++) await client.put(big(`after/${i}`));
      }
    });
  });
});
