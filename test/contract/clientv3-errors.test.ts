/** Every refusal as bytes, made by etcd's own Go client: what arrives, and what an application makes of it. */
import { beforeAll, describe, expect, test } from "vitest";
import type { RangeRequest } from "../../proto/messages.ts";
import { leaseKeepAliveRequest } from "../../proto/rare.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import { CODE_NAMES } from "../../proto/grpc-codes.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { clientv3Calls } from "../support/clientv3.ts";
import type { BytesCall } from "../support/clientv3.ts";
import { rangeRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { COMPACTED, KEY_NOT_PROVIDED } from "./answers.ts";
import { encode, prepare } from "./refused-calls.ts";
import { REFUSAL_TABLES } from "./refusal-tables.ts";
import { CHEAP_PASSWORDS } from "./users.ts";

/** What etcd says and its client has no name for; the map of names is errStringToError in rpctypes/error.go. */
const NAMELESS = [
  "etcdserver: context deadline exceeded",
  "etcdserver: invalid client api version",
  "etcdserver: permission not given",
  "etcdserver: request canceled",
  "etcdserver: request timed out, waiting for the applied index took too long",
  "etcdserver: unknown method",
  "etcdserver: watch canceled",
];

const unknownMethod = (name: string): string => `unknown method ${name} for service etcdserverpb.Lease`;

const goMissing = goMissingReason();

describe.skipIf(goMissing !== null)(goMissing ?? "clientv3", () => {
  describeStores("every refusal through clientv3", (start) => {
    describe.each(REFUSAL_TABLES)("$state", (table) => {
      const shared = new SharedStore(start, CHEAP_PASSWORDS);

      // All that the program says is compared, so that it says the same of both servers.
      test("§10: clientv3 is told it by code and text, and knows it if it has a name for it", async () => {
        const calls = await table.prepare(shared.client);
        const endings = await clientv3Calls(shared.store.url, calls);
        expect(endings).toHaveLength(calls.length);
        for (const [i, { what, code, text }] of calls.entries()) {
          const etcdError = text.startsWith("etcdserver: ") && !NAMELESS.includes(text);
          const seenText = etcdError ? text : `rpc error: code = ${CODE_NAMES[code]} desc = ${text}`;
          const expected = { code, text, seen: { etcdError, code, text: seenText } };
          expect([what, endings[i]]).toEqual([what, expected]);
        }
      });
    });
  });

  describeStores("streams through clientv3", (start) => {
    const shared = new SharedStore(start);

    beforeAll(() => prepare(shared.client));

    test("§10: clientv3 is told how streams end, and no token is looked at where there are no users", async () => {
      const stream = (fields: Partial<RangeRequest>, key = "a"): BytesCall => ({
        path: "/etcdserverpb.KV/RangeStream",
        message: encode(writeRangeRequest, rangeRequest(key, fields)),
        kind: "server-stream",
      });
      const keepAlive = "/etcdserverpb.Lease/LeaseKeepAlive";
      const range = { path: "/etcdserverpb.KV/Range", message: encode(writeRangeRequest, rangeRequest("a")) };
      const calls: readonly (readonly [BytesCall, code: number, text: string])[] = [
        [stream({}), 0, ""],
        [stream({}, ""), ...KEY_NOT_PROVIDED],
        [stream({ revision: 1 }), ...COMPACTED],
        [stream({ sortOrder: 1, sortTarget: 1 }), 12, "RangeStream does not support custom sort orders"],
        [{ path: keepAlive, message: leaseKeepAliveRequest.encode({ ID: 1n }), kind: "bidi" }, 0, ""],
        [{ path: `${keepAlive}s`, message: Buffer.alloc(0), kind: "bidi" }, 12, unknownMethod("LeaseKeepAlives")],
        [{ ...range, token: "of nobody", metadata: [["hasleader", "true"]] }, 0, ""],
      ];
      const endings = await clientv3Calls(
        shared.store.url,
        calls.map(([call]) => call),
      );
      expect(endings.map(({ code, text }) => [code, text])).toEqual(calls.map(([, code, text]) => [code, text]));
    });
  });
});
