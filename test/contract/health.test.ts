/** gRPC's own health checking. */
import { expect, test } from "vitest";
import * as rare from "../../proto/rare.ts";
import { MessageStream } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const { HEALTH_SERVICE_UNKNOWN, HEALTH_SERVING, healthCheckRequest, healthCheckResponse } = rare;

describeStores("grpc.health.v1", (start) => {
  const shared = new SharedStore(start);

  async function check(service: string): Promise<number> {
    const bytes = await shared.client.lean.call("/grpc.health.v1.Health/Check", healthCheckRequest.encode({ service }));
    return healthCheckResponse.decode(bytes).status;
  }

  function watch(service: string): MessageStream<rare.HealthCheckRequest, rare.HealthCheckResponse> {
    const { lean } = shared.client;
    const { encode } = healthCheckRequest;
    const stream = new MessageStream(lean, "/grpc.health.v1.Health/Watch", encode, healthCheckResponse.decode);
    stream.send({ service });
    stream.stream.halfClose();
    return stream;
  }

  test("§1 Check: the server as a whole serves, and nobody knows any other service", async () => {
    expect(await check("")).toBe(HEALTH_SERVING);
    for (const service of ["etcdserverpb.KV", "nope"]) {
      await expect(check(service)).rejects.toMatchObject({ code: 5, message: "unknown service" });
    }
  });

  test("§1 List: the server as a whole is all there is", async () => {
    const bytes = await shared.client.lean.call("/grpc.health.v1.Health/List", rare.healthListRequest.encode({}));
    expect(rare.healthListResponse.decode(bytes)).toEqual({ statuses: { "": { status: HEALTH_SERVING } } });
  });

  test("§1 Watch: the status comes at once, and the stream stays open", async () => {
    const whole = watch("");
    const unknown = watch("nope");
    expect((await whole.next()).status).toBe(HEALTH_SERVING);
    expect((await unknown.next()).status).toBe(HEALTH_SERVICE_UNKNOWN);
    await shared.put("a");
    let ended = false;
    void whole.ended.then(() => (ended = true));
    expect(await check("")).toBe(HEALTH_SERVING);
    expect([ended, whole.waiting, unknown.waiting]).toEqual([false, 0, 0]);
    whole.stream.cancel();
    expect((await whole.ended).code).toBe(1);
  });
});
