/** HTTP/1.1 on the client port and on metrics ports. */
import { describe, expect, onTestFinished, test } from "vitest";
import { putRequest } from "../../bench/client/requests.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { CHEAP_PASSWORDS, enableAuth, makeUsers } from "./users.ts";

describeStores("http", (start) => {
  const shared = new SharedStore(start);

  async function get(path: string): Promise<readonly [number, string]> {
    const response = await fetch(`${shared.store.url}${path}`);
    return [response.status, await response.text()];
  }

  test("§9.4 GR-01: health and readiness, on the port that serves gRPC", async () => {
    await shared.put("a");
    expect(await get("/health")).toEqual([200, '{"health":"true","reason":""}']);
    expect(await get("/health?serializable=true")).toEqual([200, '{"health":"true","reason":""}']);
    expect(await get("/livez")).toEqual([200, "ok\n"]);
    expect(await get("/readyz")).toEqual([200, "ok\n"]);
    expect(await get("/livez?verbose")).toEqual([200, "[+]serializable_read ok\nok\n"]);
    const checks = ["data_corruption", "serializable_read", "linearizable_read", "non_learner"];
    const [status, verbose] = await get("/readyz?verbose");
    const lines = verbose.trimEnd().split("\n");
    expect([status, lines.toSorted()]).toEqual([200, [...checks.map((name) => `[+]${name} ok`), "ok"].toSorted()]);
    for (const name of checks) expect(await get(`/readyz/${name}`)).toEqual([200, "ok\n"]);
    expect((await get("/readyz?verbose&exclude=non_learner"))[1]).not.toContain("non_learner");
    expect((await get("/readyz/nope"))[0]).toBe(404);
    expect((await get("/nope"))[0]).toBe(404);
  });

  test("§9.4: the version tells of server, cluster and storage, the same as the status", async () => {
    const { version, storageVersion } = await shared.client.status();
    const [status, body] = await get("/version");
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { etcdserver: version, etcdcluster: storageVersion, storage: storageVersion },
    ]);
  });

  test("§9.4: a call that has been answered is in the metrics that are asked for next", async () => {
    const calls = async (): Promise<number> =>
      Number(/^grpc_server_handled_total\{(?=.*"Put")(?=.*"OK").*\} (\d+)$/m.exec((await get("/metrics"))[1])?.[1]);
    const before = await calls();
    await shared.put("counted");
    expect(await calls()).toBe(before + 1);
    await shared.put("counted");
    expect(await calls()).toBe(before + 2);
  });

  test("§9.4: the metrics that people and tests look for are there", async () => {
    await shared.put("metrics");
    const { version } = await shared.client.status();
    const [status, body] = await get("/metrics");
    expect(status).toBe(200);
    for (const line of [
      `etcd_server_version{server_version="${version}"} 1`,
      "etcd_server_has_leader 1",
      "etcd_server_is_leader 1",
      "etcd_debugging_mvcc_watcher_total 0",
      "etcd_debugging_mvcc_watch_stream_total 0",
    ]) {
      expect(body.split("\n")).toContain(line);
    }
    expect(body).toMatch(/^etcd_mvcc_put_total \d+$/m);
    expect(body).toMatch(/^etcd_disk_wal_fsync_duration_seconds_count(?:\{zone="a"\})? \d+$/m);
    expect(body).toMatch(/^grpc_server_handled_total\{.*grpc_method="Put".*\} \d+$/m);
  });

  test("§9.4: what cannot be had with that verb is refused", async () => {
    for (const path of ["/health", "/version"]) {
      const response = await fetch(`${shared.store.url}${path}`, { method: "POST", body: "x" });
      expect([path, response.status]).toEqual([path, 405]);
    }
  });
});

describeStores("http, with authentication enabled", (start, name) => {
  test("§9.4: who has no password is told how the server is, and nothing of keys and users", async () => {
    const store = await start(CHEAP_PASSWORDS);
    onTestFinished(() => store.remove());
    const client = await EtcdClient.connect(store.url);
    await client.put(putRequest("amy/key", "value of amy"));
    await makeUsers(client);
    await enableAuth(client);
    await expect(client.put(putRequest("amy/key"))).rejects.toThrow("user name is empty");
    await client.close();
    for (const path of ["/health", "/livez", "/readyz?verbose", "/version", "/metrics", "/plinth/status"]) {
      const response = await fetch(`${store.url}${path}`);
      const isServed = name === "plinth" || path !== "/plinth/status";
      expect([path, response.status]).toEqual([path, isServed ? 200 : 404]);
      expect(await response.text()).not.toMatch(/\b(?:amy|amys|bob)\b/);
    }
  });
});

describe("http (Plinth)", () => {
  test("§9.4: --listen-metrics-urls serves metrics and health, and no gRPC", async () => {
    const ports = [await freePort(), await freePort()];
    const urls = ports.map((port) => `http://127.0.0.1:${port}`);
    const plinth = await startPlinth({ flags: [`--listen-metrics-urls=${urls.join(",")}`] });
    onTestFinished(() => plinth.remove());
    for (const url of urls) {
      const metrics = await fetch(`${url}/metrics`);
      expect([metrics.status, await metrics.text()]).toEqual([
        200,
        expect.stringContaining("etcd_server_has_leader 1"),
      ]);
      expect((await fetch(`${url}/health`)).status).toBe(200);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      expect((await fetch(`${url}/plinth/status`)).status).toBe(200);
    }
    await plinth.stop();
    await expect(fetch(`${urls[0]}/metrics`)).rejects.toThrow("fetch failed");
  });
});
