import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";

import { Metrics } from "../../../server/metrics/metrics.ts";
import { BucketRecorder, exponentialBounds } from "../../../server/metrics/bucket-recorder.ts";
import { MetricSet } from "../../../server/metrics/metric-set.ts";
import type { Method, StreamListener } from "../../../server/transport/service.ts";
import { FakeMetricSources } from "../../sim/fake-metric-sources.ts";
import { parseExposition } from "./exposition.ts";

const RANGE: Method = { kind: "unary", path: "/etcdserverpb.KV/Range", handle: () => undefined };
const WATCH: Method = { kind: "bidi", path: "/etcdserverpb.Watch/Watch", open: unreachable };
const SNAPSHOT: Method = { kind: "server-stream", path: "/etcdserverpb.Maintenance/Snapshot", handle: unreachable };
const METHODS = [RANGE, WATCH, SNAPSHOT];

function unreachable(): StreamListener {
  throw new Error("metrics never call a method");
}

describe("exported metrics", () => {
  let server: FakeMetricSources;
  let metrics: Metrics;

  beforeEach(() => {
    server = new FakeMetricSources(METHODS);
    metrics = new Metrics(server.sources());
  });

  async function sample(name: string): Promise<number | undefined> {
    return parseExposition(await metrics.text()).samples.get(name);
  }

  test("the text format is that of the content type that is answered", () => {
    expect(metrics.set.registry.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("values are those at the moment of the scrape", async () => {
    server.counters.puts = 3;
    server.journal = { writable: true, pending: 2, committed: 9, applied: 8 };
    expect(await sample("etcd_mvcc_put_total")).toBe(3);
    expect(await sample("etcd_server_proposals_pending")).toBe(2);
    expect(await sample("etcd_server_proposals_committed_total")).toBe(9);
    expect(await sample("etcd_server_proposals_applied_total")).toBe(8);
    server.counters.puts = 4;
    server.journal = { writable: false, pending: 0, committed: 10, applied: 10 };
    expect(await sample("etcd_mvcc_put_total")).toBe(4);
    expect(await sample("etcd_server_proposals_pending")).toBe(0);
    expect(await sample("etcd_server_has_leader")).toBe(0);
  });

  test("the names that etcd's alerts and dashboards use exist from the start", async () => {
    const { types } = parseExposition(await metrics.text());
    for (const name of [
      "etcd_server_has_leader",
      "etcd_server_leader_changes_seen_total",
      "grpc_server_handled_total",
      "grpc_server_started_total",
      "etcd_server_proposals_failed_total",
      "etcd_disk_wal_fsync_duration_seconds",
      "etcd_disk_backend_commit_duration_seconds",
      "etcd_network_peer_round_trip_time_seconds",
      "etcd_mvcc_db_total_size_in_bytes",
      "etcd_mvcc_db_total_size_in_use_in_bytes",
      "etcd_server_quota_backend_bytes",
      "etcd_debugging_mvcc_watch_stream_total",
      "process_resident_memory_bytes",
      "process_start_time_seconds",
      "nodejs_eventloop_lag_p99_seconds",
    ]) {
      expect(types.has(name), name).toBe(true);
    }
  });

  test("calls are counted by method and code, zeros included", async () => {
    server.calls.onStarted(RANGE);
    server.calls.onStarted(RANGE);
    server.calls.onHandled(RANGE, 0);
    server.calls.onHandled(RANGE, 11);
    server.calls.onStarted(WATCH);
    const { samples } = parseExposition(await metrics.text());
    const range = 'grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Range"';
    expect(samples.get(`grpc_server_started_total{${range}}`)).toBe(2);
    expect(samples.get(`grpc_server_handled_total{${range},grpc_code="OK"}`)).toBe(1);
    expect(samples.get(`grpc_server_handled_total{${range},grpc_code="OutOfRange"}`)).toBe(1);
    expect(samples.get(`grpc_server_handled_total{${range},grpc_code="Unavailable"}`)).toBe(0);
    const watch = 'grpc_type="bidi_stream",grpc_service="etcdserverpb.Watch",grpc_method="Watch"';
    expect(samples.get(`grpc_server_started_total{${watch}}`)).toBe(1);
    const snapshot = 'grpc_type="server_stream",grpc_service="etcdserverpb.Maintenance",grpc_method="Snapshot"';
    expect(samples.get(`grpc_server_started_total{${snapshot}}`)).toBe(0);
  });

  test("calls of unknown paths and codes outside of gRPC's are counted as unknown", async () => {
    const unknown = 'grpc_type="unary",grpc_service="unknown",grpc_method="unknown"';
    expect(await sample(`grpc_server_started_total{${unknown}}`)).toBeUndefined();
    server.calls.onStarted(null);
    server.calls.onHandled(null, 12);
    server.calls.onHandled(null, 99);
    server.calls.onHandled(null, -1);
    expect(await sample(`grpc_server_started_total{${unknown}}`)).toBe(1);
    expect(await sample(`grpc_server_handled_total{${unknown},grpc_code="Unimplemented"}`)).toBe(1);
    expect(await sample(`grpc_server_handled_total{${unknown},grpc_code="Unknown"}`)).toBe(2);
  });

  test("an alarm that was disarmed is gone from the next scrape", async () => {
    const name = 'etcd_debugging_server_alarms{server_id="abc",alarm_type="NOSPACE"}';
    server.alarms = ["NOSPACE"];
    expect(await sample(name)).toBe(1);
    server.alarms = [];
    expect(await sample(name)).toBeUndefined();
  });

  test("health checks are exported once they ran", async () => {
    const name = 'etcd_server_healthcheck{type="readyz",name="linearizable_read"}';
    expect(await sample(name)).toBeUndefined();
    server.checks = [
      { type: "health", name: "health", succeeded: 5, failed: 1, lastSucceeded: true },
      { type: "readyz", name: "linearizable_read", succeeded: 2, failed: 3, lastSucceeded: false },
    ];
    expect(await sample(name)).toBe(0);
    const total = 'etcd_server_healthchecks_total{type="readyz",name="linearizable_read"';
    expect(await sample(`${total},status="success"}`)).toBe(2);
    expect(await sample(`${total},status="error"}`)).toBe(3);
    expect(await sample("etcd_server_health_success")).toBe(5);
    expect(await sample("etcd_server_health_failures")).toBe(1);
  });

  test("syncs of the journal are shown as etcd's fsync histogram", async () => {
    for (const milliseconds of [0.1, 1.5, 60_000]) server.counters.replicas.get("a")?.onAppended(milliseconds);
    const { samples } = parseExposition(await metrics.text());
    const name = "etcd_disk_wal_fsync_duration_seconds";
    expect(samples.get(`${name}_bucket{le="0.000125"}`)).toBe(1);
    expect(samples.get(`${name}_bucket{le="0.001"}`)).toBe(1);
    expect(samples.get(`${name}_bucket{le="0.002"}`)).toBe(2);
    expect(samples.get(`${name}_bucket{le="8.192"}`)).toBe(2);
    expect(samples.get(`${name}_bucket{le="+Inf"}`)).toBe(3);
    expect(samples.get(`${name}_count`)).toBe(3);
    expect(samples.get(`${name}_sum`)).toBeCloseTo(60.0016, 9);
  });

  test("the syncs of several replicas are told apart by zone, and none is counted twice", async () => {
    server.counters.replicas.get("a")?.onAppended(0.1);
    server.counters.addReplica("b").onAppended(3_000);
    const { samples } = parseExposition(await metrics.text());
    const name = "etcd_disk_wal_fsync_duration_seconds";
    const inf = [...samples].filter(([series]) => series.startsWith(`${name}_bucket`) && series.includes("+Inf"));
    expect(inf).toEqual([
      [`${name}_bucket{zone="a",le="+Inf"}`, 1],
      [`${name}_bucket{zone="b",le="+Inf"}`, 1],
    ]);
    expect(samples.get(`${name}_sum{zone="b"}`)).toBe(3);
    expect(samples.has(`${name}_count`)).toBe(false);
  });

  test("the way to a replica elsewhere is shown as etcd's round trip to a peer, and to one that is here not at all", async () => {
    server.counters.addReplica("b").onRoundTrip(0.15);
    const { samples } = parseExposition(await metrics.text());
    const name = "etcd_network_peer_round_trip_time_seconds";
    expect(samples.get(`${name}_bucket{To="b",le="0.0001"}`)).toBe(0);
    expect(samples.get(`${name}_bucket{To="b",le="0.0002"}`)).toBe(1);
    expect([...samples.keys()].filter((series) => series.startsWith(name) && series.includes('"a"'))).toEqual([]);
  });

  test("how far a replica lies behind is not shown while nobody knows it", async () => {
    const replica = { zone: "c", isUp: false, queueFrames: 2, queueBytes: 300, rebuilds: 1, damages: 3 };
    server.replicas = [{ ...replica, lagRecords: null, lagMs: null }];
    const shown = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        [...parseExposition(await metrics.text()).samples].filter(([series]) =>
          series.startsWith("plinth_journal_rep"),
        ),
      );
    const known = {
      'plinth_journal_replica_up{zone="c"}': 0,
      'plinth_journal_replica_queue_frames{zone="c"}': 2,
      'plinth_journal_replica_queue_bytes{zone="c"}': 300,
      'plinth_journal_replica_rebuilds_total{zone="c"}': 1,
      'plinth_journal_replica_damages_total{zone="c"}': 3,
    };
    expect(await shown()).toEqual(known);
    server.replicas = [{ ...replica, lagRecords: 7, lagMs: 1_500 }];
    expect(await shown()).toEqual({
      ...known,
      'plinth_journal_replica_lag_records{zone="c"}': 7,
      'plinth_journal_replica_lag_seconds{zone="c"}': 1.5,
    });
  });

  test("two servers in one process do not share metrics", async () => {
    const other = new FakeMetricSources(METHODS);
    other.counters.puts = 100;
    const otherText = await new Metrics(other.sources()).text();
    expect(parseExposition(otherText).samples.get("etcd_mvcc_put_total")).toBe(100);
    expect(await sample("etcd_mvcc_put_total")).toBe(0);
  });
});

describe("bucket recorder", () => {
  test("an observation counts in the first bucket whose bound it does not exceed", () => {
    const bounds = exponentialBounds(0.001, 2, 14);
    const observed = fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(...bounds));
    fc.assert(
      fc.property(fc.array(observed, { maxLength: 50 }), (values) => {
        const recorder = new BucketRecorder(bounds);
        for (const value of values) {
          recorder.observe(value);
        }
        let below = 0;
        bounds.forEach((bound, i) => {
          below += recorder.counts[i];
          expect(below).toBe(values.filter((value) => value <= bound).length);
        });
        expect(recorder.count).toBe(values.length);
        expect(recorder.sum).toBeCloseTo(
          values.reduce((sum, value) => sum + value, 0),
          6,
        );
      }),
    );
  });

  test("bounds that do not rise are refused", () => {
    expect(() => new BucketRecorder([1, 1])).toThrow("bounds must rise");
    expect(() => new BucketRecorder([])).toThrow("a histogram needs a bound");
  });
});

describe("metric set", () => {
  test("a labelled value reported twice is exported once, with the later number", async () => {
    const set = new MetricSet();
    set.labelledGauge("plinth_partition_keys", "Keys per partition.", ["partition"], (report) => {
      report(["/registry/pods/"], 1);
      report(["/registry/pods/"], 2);
      report(["/registry/leases/"], 3);
    });
    const { samples } = parseExposition(await set.text());
    expect(Object.fromEntries(samples)).toEqual({
      'plinth_partition_keys{partition="/registry/pods/"}': 2,
      'plinth_partition_keys{partition="/registry/leases/"}': 3,
    });
  });

  test("one name cannot be registered twice", () => {
    const set = new MetricSet();
    set.gauge("plinth_epoch", "The journal's epoch.", () => 1);
    expect(() => set.counter("plinth_epoch", "The journal's epoch.", () => 1)).toThrow("already been registered");
  });
});
