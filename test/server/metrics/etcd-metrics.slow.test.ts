/** What Plinth exports under names of etcd's, beside what a real etcd exports. */
import { expect, test } from "vitest";

import { goMissingReason } from "../../../bench/peers/build.ts";
import { startEtcd } from "../../../bench/peers/etcd.ts";
import { Metrics } from "../../../server/metrics/metrics.ts";
import type { Method } from "../../../server/transport/service.ts";
import { FakeMetricSources } from "../../sim/fake-metric-sources.ts";
import { parseExposition } from "./exposition.ts";

const RANGE: Method = { kind: "unary", path: "/etcdserverpb.KV/Range", handle: () => undefined };

test.skipIf(goMissingReason() !== null)(
  "every metric of etcd's that is exported has etcd's type and label names, and etcd's bounds are kept",
  async () => {
    const etcd = await startEtcd();
    try {
      await fetch(`${etcd.url}/readyz`);
      const theirs = parseExposition(await (await fetch(`${etcd.url}/metrics`)).text());
      const server = new FakeMetricSources([RANGE]);
      server.checks[1].succeeded = 1;
      const ours = parseExposition(await new Metrics(server.sources()).text());
      const shared = [...ours.types.keys()].filter((name) => /^(?:etcd|grpc|os)_/.test(name));
      // It reports alarms only after one was raised, and round trips to peers, so its metrics have none to compare with.
      const unseen = ["etcd_debugging_server_alarms", "etcd_network_peer_round_trip_time_seconds"];
      const comparable = shared.filter((name) => !unseen.includes(name));
      expect(comparable.length).toBeGreaterThan(40);
      for (const name of comparable) {
        expect(theirs.types.get(name), name).toBe(ours.types.get(name));
        expect(ours.labels.get(name) ?? [], name).toEqual(theirs.labels.get(name) ?? []);
      }
      const bounds = [...theirs.samples.keys()].filter((key) =>
        /^etcd_disk_(?:wal_fsync|backend_commit)_.*le=/.test(key),
      );
      expect(bounds.length).toBeGreaterThan(20);
      for (const bound of bounds) {
        expect(ours.samples.has(bound), bound).toBe(true);
      }
    } finally {
      await etcd.stop();
    }
  },
);
