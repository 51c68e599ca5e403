import { expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { EventList } from "../../../partitions/watch/event-list.ts";
import type { Watcher } from "../../../partitions/watch/watcher.ts";
import { CATCH_UP_REVISIONS_MAX } from "../../../partitions/watch/batch.ts";
import { systemTurns } from "../../../server/clock.ts";
import { CatchUp } from "../../../server/engine/catch-up.ts";
import { putRequest } from "../../../bench/client/requests.ts";

test("a watcher whose stream drains while a slice is written out reads on, though nothing else happens", async () => {
  const keyspace = new Keyspace();
  const { watchers } = keyspace;
  const deliveries = 4;
  for (let i = 0; i < deliveries * CATCH_UP_REVISIONS_MAX; i++) keyspace.put(putRequest("a"));
  watchers.flush();
  const paused: Watcher[] = [];
  const catchUp = new CatchUp(keyspace, systemTurns, () => {
    for (const watcher of paused.splice(0)) {
      watchers.resume(watcher);
      catchUp.run();
    }
  });
  let delivered = 0;
  const sink = {
    deliver: (watcher: Watcher, _: number, events: EventList): boolean => {
      delivered += events.count;
      paused.push(watcher);
      return false;
    },
    compacted: (): void => {},
  };
  const [key, rangeEnd] = [Buffer.from("a"), Buffer.alloc(0)];
  watchers.create({ key, rangeEnd, startRevision: 2, filters: [], prevKv: false, sink });
  catchUp.run();
  for (let turn = 0; turn < 2 * deliveries; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(delivered).toBe(deliveries * CATCH_UP_REVISIONS_MAX);
  expect(watchers.unsyncedCount).toBe(0);
});
