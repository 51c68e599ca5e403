/** HashKV gives etcd's number for the same calls, at every revision that is kept, and at those of the last ten compactions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deleteRequest, prefixEnd, put, putRequest, txnRequest } from "../../bench/client/requests.ts";
import type { RequestOp } from "../../proto/messages.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startEtcdStore, startPlinthStore } from "../support/stores.ts";
import { remark, seed, skipReason } from "./effort.ts";

type Act = (client: EtcdClient) => Promise<unknown>;

/** What is done, for people, and how; a compaction is of the revision so many below the current one. */
type Step = { readonly name: string; readonly act: Act } | { readonly below: number };

/** As many as etcd remembers, and some that it does not any more. */
const COMPACTIONS_ASKED = 12;

const key = fc.constantFrom("k/a", "k/b", "k/\u0000", "k/\u00ff\u00ff", "k/a/b");
const value = fc.constantFrom("", "v", "w".repeat(300));
const lease = fc.constantFrom(1n, 2n, -7n);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(key, value).map(([k, v]) => of(`put ${k}`, (c) => c.put(putRequest(k, v)))) },
  { weight: 2, arbitrary: key.map((k) => of(`delete ${k}`, (c) => c.deleteRange(deleteRequest(k)))) },
  { weight: 1, arbitrary: fc.constant(of("delete all", (c) => c.deleteRange(deleteRequest("k/", prefixEnd("k/"))))) },
  {
    weight: 2,
    arbitrary: fc.tuple(key, value, fc.boolean()).map(([k, v, deletes]) =>
      of(`txn ${k}`, (c) => {
        const clear: RequestOp[] = [{ case: "deleteRange", request: deleteRequest("k/", prefixEnd("k/")) }];
        return c.txn(txnRequest([...(deletes ? clear : []), put("x/other", "o"), put(k, v)]));
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(key, value, lease)
      .map(([k, v, id]) => of(`put ${k} with ${id}`, (c) => c.put(putRequest(k, v, { lease: id })))),
  },
  { weight: 1, arbitrary: lease.map((id) => of(`revoke ${id}`, (c) => c.leaseRevoke(id))) },
  { weight: 2, arbitrary: lease.map((ID) => of(`grant ${ID}`, (c) => c.leaseGrant({ ID, TTL: 10_000 }))) },
  { weight: 3, arbitrary: fc.record({ below: fc.nat(5) }) },
);

function of(name: string, act: Act): Step {
  return { name, act };
}

/** Numbers, or the refusal. */
async function answerOf(client: EtcdClient, revision: number): Promise<unknown> {
  return client.hashKv(revision).then(
    ({ hash, compactRevision, hashRevision }) => ({ hash, compactRevision, hashRevision }),
    (error: unknown) => String(error),
  );
}

describe.skipIf(skipReason !== null)(`HashKV (${remark})`, () => {
  test(
    "is etcd's after each step, at each revision that is kept and at those of compactions",
    { timeout: 120_000 },
    async () => {
      const [steps] = fc.sample(fc.array(step, { minLength: 250, maxLength: 250 }), { seed, numRuns: 1 });
      const stores = [await startPlinthStore(), await startEtcdStore()];
      try {
        const clients = await Promise.all(stores.map(({ url }) => EtcdClient.connect(url)));
        const done: string[] = [];
        const compactions: number[] = [];
        let compacted = -1;
        for (const each of steps) {
          const revision = (await clients[0].hashKv(0)).hashRevision;
          let act: Act;
          if ("act" in each) {
            ({ act } = each);
            done.push(each.name);
          } else {
            const at = revision - each.below;
            if (at <= compacted) continue;
            compacted = at;
            compactions.push(at);
            // Its answer comes when it has been hashed, by both of them.
            act = (client) => client.compact({ revision: at, physical: true });
            done.push(`compact ${at}`);
          }
          // Some are refused, by both of them alike: of that there are other tests.
          await Promise.all(clients.map((client) => act(client).catch(() => null)));
          const last = (await clients[0].hashKv(0)).hashRevision;
          const asked = compactions.slice(-COMPACTIONS_ASKED);
          for (let at = compacted + 1; at <= last; at++) asked.push(at);
          for (const at of asked) {
            const [plinth, etcd] = await Promise.all(clients.map((client) => answerOf(client, at)));
            expect(plinth, `revision ${at} of ${last} after ${done.join(", ")}`).toEqual(etcd);
          }
        }
        for (const client of clients) client.lean.destroy();
      } finally {
        for (const store of stores) await store.remove();
      }
    },
  );
});
