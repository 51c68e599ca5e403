import { expect, test } from "vitest";
import { allMethods } from "../../proto/schema.ts";

test("all methods of all services are listed once, with their kinds of streams", () => {
  const methods = allMethods();
  expect(new Set(methods.map(({ path }) => path)).size).toBe(methods.length);
  expect(methods).toHaveLength(52);
  expect(methods).toContainEqual({
    path: "/etcdserverpb.KV/Range",
    requestStream: false,
    responseStream: false,
    requestType: "etcdserverpb.RangeRequest",
    responseType: "etcdserverpb.RangeResponse",
    httpPaths: ["/v3/kv/range"],
  });
  const streams = methods.filter(({ requestStream, responseStream }) => requestStream || responseStream);
  expect(streams.map(({ path, requestStream }) => [path, requestStream]).toSorted()).toEqual([
    ["/etcdserverpb.KV/RangeStream", false],
    ["/etcdserverpb.Lease/LeaseKeepAlive", true],
    ["/etcdserverpb.Maintenance/Snapshot", false],
    ["/etcdserverpb.Watch/Watch", true],
    ["/grpc.health.v1.Health/Watch", false],
    ["/v3electionpb.Election/Observe", false],
  ]);
});
