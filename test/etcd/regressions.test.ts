/** Differences that the random commands once found, each in as few commands as show it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ALARM_ACTION_DEACTIVATE, ALARM_NONE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { keyValues } from "../support/etcd-client.ts";
import { del, put, rangeRequest, txnRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { startPlinthStore } from "../support/stores.ts";
import type { Command } from "./command.ts";
import { skipReason } from "./effort.ts";
import { ZERO_BYTE } from "./kv-arbitraries.ts";
import { flagsWith, Lockstep } from "./lockstep.ts";
import { current } from "./symbols.ts";

const everything = { rangeEnd: ZERO_BYTE };

describe.skipIf(skipReason !== null)("Plinth and etcd answer the same", () => {
  let servers: Lockstep;
  beforeAll(async () => {
    servers = await Lockstep.start();
  });
  afterAll(() => servers.remove());

  const same: [title: string, commands: Command[]][] = [
    [
      "HashKV at a negative revision is answered, and says that revision",
      [{ name: "hashKv", request: { revision: -7 } }],
    ],
    [
      "RangeStream with a filter and a target without an order is refused for the filter",
      [{ name: "rangeStream", request: rangeRequest("a", { sortTarget: 4, minModRevision: 1 }) }],
    ],
    [
      "RangeStream with a filter and an order is refused for the order",
      [{ name: "rangeStream", request: rangeRequest("a", { sortTarget: 4, sortOrder: 1, minModRevision: 1 }) }],
    ],
    [
      "Status tells an alarm in protobuf's text form",
      [
        { name: "alarmed", alarm: ALARM_NOSPACE, member: "own", commands: [{ name: "status" }] },
        { name: "alarmed", alarm: ALARM_NOSPACE, member: "any", commands: [{ name: "status" }] },
      ],
    ],
    ["Status tells that no downgrade is going on", [{ name: "status" }]],
    [
      "a key that one txn puts and deletes, at the compacted revision",
      [
        { name: "txn", request: txnRequest([put("b", "x"), del("a", ZERO_BYTE)]) },
        { name: "compact", request: { revision: current(), physical: true } },
        {
          name: "watch",
          stream: 0,
          request: watchCreateRequest(ZERO_BYTE, { ...everything, startRevision: current() }),
        },
        { name: "range", request: rangeRequest(ZERO_BYTE, { ...everything, revision: current() }) },
        { name: "barrier" },
      ],
    ],
  ];

  test.each(same)("%s", async (_, commands) => {
    const before = servers.commands;
    await servers.run(commands);
    expect(servers.commands - before).toBe(commands.length);
  });

  test("a lease that a server chose is revoked when another takes its slot, also where an alarm was lifted early", async () => {
    const grant = { name: "grant", request: { ID: 0n, TTL: 40_000 }, slot: 3 } as const;
    const request = { action: ALARM_ACTION_DEACTIVATE, alarm: ALARM_NOSPACE };
    const lifted = { name: "alarm", request, member: "own" } as const;
    await servers.run([grant, { name: "alarmed", alarm: ALARM_NOSPACE, member: "own", commands: [lifted, grant] }]);
    // A sequence begins by revoking every lease that is left, by the name it has at both.
    await expect(servers.run([])).resolves.toBeUndefined();
  });

  test("without a quota, Status says -1", async () => {
    const unlimited = await Lockstep.start(flagsWith("--quota-backend-bytes=-1"));
    try {
      await unlimited.run([{ name: "status" }]);
      expect(unlimited.counts.get("status")).toEqual({ taken: 1, refused: 0 });
    } finally {
      await unlimited.remove();
    }
  });
});

/** Where etcd cannot be asked: UNASKED in freedoms.ts. */
describe("Plinth survives what ends etcd's process", () => {
  const shared = new SharedStore(startPlinthStore);

  test("a txn whose put finds nothing to keep, because the txn has just deleted it, is refused and does nothing", async () => {
    const { client } = shared;
    const revision = await shared.put("b", "1");
    for (const keep of [{ ignoreValue: true }, { ignoreLease: true }]) {
      const txn = txnRequest([del("a", ZERO_BYTE), put("b", "", keep)]);
      await expect(client.txn(txn)).rejects.toMatchObject({ code: 3, message: "etcdserver: key not found" });
    }
    const { kvs, header } = await client.range(rangeRequest("b"));
    expect([kvs.length, header?.revision]).toEqual([1, revision]);
  });

  test.each([true, false])(
    "a key deleted and put by one txn outlives a compaction there (physical: %s)",
    async (physical) => {
      const { client } = shared;
      await shared.put("b", "1");
      const { header } = await client.txn(txnRequest([del("a", ZERO_BYTE), put("b", "2")]));
      const revision = header?.revision ?? 0;
      await shared.put("c");
      await client.compact({ revision, physical });
      await shared.store.kill();
      await shared.store.restart();
      await shared.reconnect();
      for (const at of [0, revision]) {
        const { kvs } = await shared.client.range(rangeRequest("b", { revision: at }));
        const [kv] = keyValues(kvs);
        expect([kvs.length, kv.value.toString(), kv.version, kv.modRevision]).toEqual([1, "2", 1, revision]);
      }
    },
  );

  test("an alarm with an unknown action is answered, and there is no alarm", async () => {
    expect((await shared.client.alarm({ action: 3, alarm: ALARM_NOSPACE, memberID: 0n })).alarms).toEqual([]);
    expect((await shared.client.alarm({ action: 0, alarm: ALARM_NONE, memberID: 0n })).alarms).toEqual([]);
  });
});
