/** A process that may have few files open, and clients that take more connections than it has descriptors for. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { CLIENT_CONNECTIONS_MIN, DESCRIPTORS_RESERVED } from "../../server/limits.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

/** Two segments of 64 MiB are filled by these. */
const VALUE = Buffer.alloc(1024 * 1024, 0x76);
const PUTS = 140;

describe.skipIf(process.platform !== "linux").each([
  [256, 256 - DESCRIPTORS_RESERVED],
  [64, CLIENT_CONNECTIONS_MIN],
])("a server that may have %i files open", (openFilesMax, connectionsMax) => {
  let plinth: PlinthProcess;
  let client: EtcdClient;
  let closed = 0;
  const idle: Socket[] = [];

  beforeAll(async () => {
    plinth = await startPlinth({ openFilesMax });
    client = await EtcdClient.connect(plinth.url);
  });

  afterAll(async () => {
    for (const socket of idle) socket.destroy();
    await client.close();
    await plinth.remove();
  });

  test("refuses connections beyond what it can bear, and says so", async () => {
    for (let i = 0; i < 400; i++) {
      const socket = connect(plinth.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => closed++);
      socket.resume();
      idle.push(socket);
    }
    // One place is the client's.
    await expect.poll(() => closed).toBeGreaterThanOrEqual(400 - (connectionsMax - 1));
    const line = plinth.logLines.find((each) => each.includes("connection refused: too many are open"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "warn", "connections-max": connectionsMax });
  });

  test("takes every write of who is connected, over one roll of the journal after the other", async () => {
    for (let i = 0; i < PUTS; i++) await client.put(putRequest(`key-${i}`, VALUE));
    const troubles = ["the journal cannot write", "the journal failed"];
    expect(plinth.logLines.filter((line) => troubles.some((each) => line.includes(each)))).toEqual([]);
    expect((await client.range(rangeRequest("key-0"))).count).toBe(1);
  }, 120_000);

  test("takes new connections when others have left", async () => {
    for (const socket of idle.splice(0)) {
      if (socket.closed) continue;
      socket.destroy();
      await once(socket, "close");
    }
    const connectAgain = (): Promise<boolean> =>
      EtcdClient.connect(plinth.url)
        .then(async (other) => {
          await other.put(putRequest("later"));
          await other.close();
          return true;
        })
        .catch(() => false);
    await expect.poll(connectAgain).toBe(true);
  });
});
