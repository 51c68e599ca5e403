/** A connection on which nothing happens but pings: it is left in peace, and its watch hears of the next change at once. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventText } from "../support/etcd-client.ts";
import { watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

/** A client may ping so often while nothing is sent; etcd sends away who does it more often, at the fourth ping. */
const pingIntervalMs = 5_100;
const pings = 5;

// The stores wait side by side.
describe.concurrent("idle connections", () => {
  describeStores("of", (start) => {
    const shared = new SharedStore(start);

    test(
      "GR-05: an idle watch whose client pings every five seconds is not sent away",
      { timeout: 60_000 },
      async () => {
        const { client } = shared;
        const stream = client.watch();
        await stream.create(watchCreateRequest("idle"));
        for (let i = 0; i < pings; i++) {
          await Promise.race([client.lean.ping(), client.lean.closed]);
          await delay(pingIntervalMs);
        }
        expect([client.lean.goaway, stream.waiting]).toEqual([null, 0]);
        const revision = await shared.put("idle", "1");
        expect((await stream.nextEvents(1)).map(eventText)).toEqual([`PUT idle=1 @${revision}`]);
      },
    );
  });
});
