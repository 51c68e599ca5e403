/**
 * The JSON gateways of Plinth and of a real etcd get the same random requests, well formed and not, and must answer the same.
 *
 * Each run has another seed, which it prints. DIFFERENTIAL_SEED begins with that one; DIFFERENTIAL_COMMANDS asks for more.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HttpClient } from "../../support/http-client.ts";
import type { HttpCall } from "../../support/http-client.ts";
import { startEtcdStore, startPlinthStore } from "../../support/stores.ts";
import { effort, remark, seed, skipReason, timeout } from "../effort.ts";
import { comparable, gatewayCall } from "./gateway-calls.ts";

const asked = effort(8_000, 1);
const CALLS_PER_ROUND = 200;
const FLAGS = ["--bcrypt-cost=4"];

describe.skipIf(skipReason !== null)(`Plinth's gateway answers as etcd's does (${remark})`, () => {
  test("any requests in any order", { timeout: timeout(asked) }, async () => {
    const stores = [await startPlinthStore(FLAGS), await startEtcdStore(FLAGS)];
    const clients = stores.map(({ url }) => new HttpClient(url));
    const statuses = new Map<number, number>();
    let calls = 0;
    try {
      const startedAt = performance.now();
      for (let round = 0; calls < asked.commandsMax && performance.now() - startedAt < asked.millisecondsMax; round++) {
        for (const call of fc.sample(gatewayCall, { seed: seed + round, numRuns: CALLS_PER_ROUND })) {
          const answers = await Promise.all(
            clients.map((client, i) =>
              client.call(call).catch((error: unknown) => {
                const last = stores[i].logLines().slice(-3).join("\n");
                throw new Error(`${stores[i].name} does not answer ${described(call)}\n${last}`, { cause: error });
              }),
            ),
          );
          const [plinth, etcd] = answers.map((answer) => comparable(call, answer));
          expect(plinth, `call ${calls} of round ${round}: ${described(call)}`).toEqual(etcd);
          statuses.set(answers[0].status, (statuses.get(answers[0].status) ?? 0) + 1);
          calls++;
        }
      }
    } finally {
      for (const client of clients) client.close();
      for (const store of stores) await store.remove();
    }
    console.log(`seed ${seed}: ${calls} requests, answered by status:`, Object.fromEntries(statuses));
    expect(statuses.get(200)).toBeGreaterThan(0);
  });
});

function described({ method = "POST", path, headers, body = "" }: HttpCall): string {
  return `${method} ${path} ${JSON.stringify(headers)} ${JSON.stringify(Buffer.from(body).toString("latin1"))}`;
}
