/** Servers whose journal lies on replicas in other processes, and who follow one another. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { freePort } from "../../bench/peers/peer-process.ts";
import { prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { makeReplica, Replicas, untilSaid, untilServing, ZONES } from "../support/replicas.ts";
import { parseExposition } from "./metrics/exposition.ts";

const NOT_MADE = "exit code 1";

/** Each of the tests waits for elections, and for others that do; each has replicas of its own. */
const OPTIONS = { concurrent: true, timeout: 120_000 };

async function put({ url }: PlinthProcess, ...names: string[]): Promise<void> {
  const client = await EtcdClient.connect(url);
  for (const name of names) await client.put(putRequest(`/r/${name}`, name));
  client.lean.destroy();
}

async function keys({ url }: PlinthProcess): Promise<string[]> {
  const client = await EtcdClient.connect(url);
  const { kvs } = await client.range(rangeRequest("/r/", { rangeEnd: prefixEnd("/r/") }));
  client.lean.destroy();
  return keyValues(kvs).map(({ value }) => value.toString("latin1"));
}

/** Those of a server that has greeted: who waits for that is sent away now and then, and comes again. */
async function greetedKeys(server: PlinthProcess): Promise<string[]> {
  for (;;) {
    try {
      return await keys(server);
    } catch (error) {
      if (!String(error).includes("the server is going away")) throw error;
    }
  }
}

const health = async ({ url }: PlinthProcess, check: string): Promise<string> => {
  const response = await fetch(`${url}/${check}`);
  return `${response.status} ${await response.text()}`;
};

/** A server that has written something to them. */
async function startFirst(replicas: Replicas): Promise<PlinthProcess> {
  const first = await replicas.server("first");
  await first.start();
  await put(first, "1", "2");
  return first;
}

describe("a server on three replicas in other processes", OPTIONS, () => {
  test("goes on while one of them is killed, which catches up and is then needed", async () => {
    await using replicas = await Replicas.start();
    const first = await startFirst(replicas);
    await replicas.processes[1].kill();
    await put(first, "3");
    await replicas.processes[1].start();
    await untilSaid(first, "a replica of the journal answers");
    await put(first, "4");
    await replicas.processes[0].stop();
    await put(first, "5");
    await first.kill();
    await first.start();
    expect(await keys(first)).toEqual(["1", "2", "3", "4", "5"]);
    // Its own directory says whose it is and holds nothing else.
    await first.stop();
  });

  test("acknowledges nothing and refuses linearizable reads without a majority, and goes on by itself with one", async () => {
    await using replicas = await Replicas.start();
    const first = await startFirst(replicas);
    await replicas.processes[0].kill();
    await replicas.processes[1].kill();
    await expect.poll(() => health(first, "health")).toContain("JOURNAL STALLED: no majority of its replicas answers");
    expect(await health(first, "livez")).toBe("200 ok\n");
    // What was granted before has to run out.
    const refusal = (): Promise<unknown> => keys(first).catch(({ message }: Error) => message);
    await expect.poll(refusal).toContain("etcdserver: request timed out");
    const client = await EtcdClient.connect(first.url);
    const serializable = await client.range(rangeRequest("/r/1", { serializable: true }));
    expect(serializable.kvs).toHaveLength(1);
    client.lean.destroy();
    await replicas.processes[1].start();
    await expect.poll(() => health(first, "health")).toContain("true");
    await put(first, "3");
    expect(await keys(first)).toEqual(["1", "2", "3"]);
  });

  test("is followed by a standby, which serves all that was acknowledged when it is killed", async () => {
    await using replicas = await Replicas.start();
    const first = await startFirst(replicas);
    const second = await replicas.standby("second");
    await second.start();
    const reason = `standby: first at ${first.url} has the journal`;
    expect(await health(second, "health")).toBe(`503 {"health":"false","reason":"${reason}"}\n`);
    expect(await health(second, "readyz")).toContain("503 ");
    expect(await health(second, "livez")).toBe("200 ok\n");
    // Who asks both of them is greeted by this one when it serves.
    const waiting = greetedKeys(second);
    await put(first, "3");
    await first.kill();
    expect(await waiting).toEqual(["1", "2", "3"]);
    await untilServing(second);
    expect(await keys(second)).toEqual(["1", "2", "3"]);
    await put(second, "4");
    // The one that was killed is the standby now, and serves when the other one stops in order.
    first.logLines.length = 0;
    const again = first.start();
    await untilSaid(first, "standby: another server has the journal");
    await second.stop();
    await again;
    expect(await keys(first)).toEqual(["1", "2", "3", "4"]);
  });

  test("ends with a word for it when another one is told to take over, and is its standby when it is started again", async () => {
    await using replicas = await Replicas.start();
    const first = await startFirst(replicas);
    const second = await replicas.server("second", ["--take-over"]);
    await second.start();
    expect(await first.untilEnded()).toBe("exit code 74");
    const fatal = first.logLines.find((line) => line.includes('"level":"fatal"')) ?? "";
    expect(fatal).toContain("another writer, second at");
    expect(await keys(second)).toEqual(["1", "2"]);
    first.logLines.length = 0;
    const again = first.start();
    await untilSaid(first, "standby: another server has the journal");
    await second.stop();
    await again;
    await put(first, "3");
  });

  test("has the cluster of its journal, which a server of another cluster is refused", async () => {
    await using replicas = await Replicas.start();
    const first = await startFirst(replicas);
    const clusterOf = async (server: PlinthProcess): Promise<bigint | undefined> => {
      const client = await EtcdClient.connect(server.url);
      const { header } = await client.range(rangeRequest("/r/1"));
      client.lean.destroy();
      return header?.clusterId;
    };
    const clusterId = await clusterOf(first);
    await first.stop();
    const second = await replicas.server("second");
    await second.start();
    expect(await clusterOf(second)).toBe(clusterId);
    await second.stop();
    const others = await Replicas.start();
    try {
      const stranger = await others.server("stranger");
      await stranger.start();
      await stranger.stop();
      const lost = await replicas.server(path.relative(path.dirname(first.dataDir), stranger.dataDir));
      await expect(lost.start()).rejects.toThrow(/cluster/);
    } finally {
      await others.remove();
    }
  });
});

test("a replica is refused a directory that another process keeps, or that is a server's", OPTIONS, async () => {
  await using replicas = await Replicas.start();
  const [{ dataDir }] = replicas.processes;
  const second = await makeReplica("a", dataDir);
  await expect(second.start()).rejects.toThrow(new RegExp(`${NOT_MADE}[^]*is in use by process`));
  const server = await replicas.server("server");
  await server.start();
  await server.stop();
  const wrong = await makeReplica("a", server.dataDir);
  await expect(wrong.start()).rejects.toThrow(/holds data of a server of Plinth/);
  await second.remove();
  await wrong.remove();
});

test("a replica's metrics tell what it has and how long its disk takes", OPTIONS, async () => {
  const urls = new Map<string, string>();
  for (const zone of ZONES) urls.set(zone, `http://127.0.0.1:${await freePort()}`);
  const measured = await Replicas.start({ flagsOf: (zone) => [`--listen-metrics-urls=${urls.get(zone)}`] });
  try {
    const server = await measured.server("first");
    await server.start();
    const sample = async (name: string): Promise<number> => {
      const { samples } = parseExposition(await (await fetch(`${urls.get("b")}/metrics`)).text());
      return samples.get(name) ?? -1;
    };
    await put(server, "1");
    await expect.poll(() => sample("plinth_replica_last_position")).toBe(1);
    const before = await sample("etcd_disk_wal_fsync_duration_seconds_count");
    expect(before).toBeGreaterThan(0);
    await put(server, "2");
    await expect.poll(() => sample("plinth_replica_last_position")).toBe(2);
    expect(await sample("etcd_disk_wal_fsync_duration_seconds_count")).toBeGreaterThan(before);
    expect(await sample("plinth_replica_epoch")).toBe(1);
    expect(await sample("plinth_replica_is_well")).toBe(1);
  } finally {
    await measured.remove();
  }
});

test("a server may keep one of the replicas itself", OPTIONS, async () => {
  await using replicas = await Replicas.start();
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-mixed-"));
  try {
    const list = replicas.list.replace(/a=[^,]*/, `a=${path.join(folder, "a")}`);
    const server = await replicas.server("mixed", [`--journal-replicas=${list}`]);
    await server.start();
    await put(server, "1");
    await replicas.processes[1].kill();
    await put(server, "2");
    await server.kill();
    await server.start();
    expect(await keys(server)).toEqual(["1", "2"]);
    await server.stop();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
