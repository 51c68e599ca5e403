/** Who is still there, and who asks too often: pings between clients and server, by the operator's flags. */
import { describe, expect, test } from "vitest";
import { EtcdClient } from "../support/etcd-client.ts";
import { watchCreateRequest } from "../../bench/client/requests.ts";
import {
  ACK,
  PREFACE,
  REFUSED_STREAM,
  SETTINGS,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  encodeFrame,
} from "../../server/transport/frames/frames.ts";
import { RawClient, headers, requestFields } from "../server/transport/raw-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

// The stores wait side by side, and the tests of each one after the other: the watches of one would be counted by another.
describe.concurrent("pings", () => {
  describeStores(
    "keepalive: a server that lets clients ping once a minute and asks the silent ones every second",
    (start) => {
      const shared = new SharedStore(start, [
        "--grpc-keepalive-min-time=1m",
        "--grpc-keepalive-interval=1s",
        "--grpc-keepalive-timeout=5s",
        "--max-concurrent-streams=3",
      ]);

      async function watchers(): Promise<number> {
        const body = await (await fetch(`${shared.store.url}/metrics`)).text();
        return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(body)?.[1]);
      }

      test.sequential("GR-05: a client with a watch that pings too often is sent away at the fourth ping", async () => {
        const client = await EtcdClient.connect(shared.store.url);
        const stream = client.watch();
        await stream.create(watchCreateRequest("gr05"));
        // The answer that came before makes the first one free.
        for (let i = 0; i < 3; i++) await client.lean.ping();
        expect(client.lean.goaway).toBeNull();
        void client.lean.ping();
        await client.lean.closed;
        expect(client.lean.goaway).toMatchObject({ errorCode: 11, text: "too_many_pings" });
      });

      test.sequential("GR-05: a client without a stream has nothing to ping for", async () => {
        const client = await EtcdClient.connect(shared.store.url);
        for (let i = 0; i < 3; i++) await client.lean.ping();
        expect(client.lean.goaway).toBeNull();
        void client.lean.ping();
        await client.lean.closed;
        expect(client.lean.goaway).toMatchObject({ errorCode: 11, text: "too_many_pings" });
      });

      test.sequential("GR-02: as many streams are open on a connection as the operator allows, and one more is told to come again", async () => {
        const client = await RawClient.connect({ port: Number(new URL(shared.store.url).port), host: "127.0.0.1" });
        client.send(PREFACE, encodeFrame(SETTINGS, 0, 0, Buffer.alloc(0)));
        const { payload } = await client.frame((frame) => frame.type === SETTINGS && (frame.flags & ACK) === 0);
        const settings = new Map<number, number>();
        for (let at = 0; at < payload.length; at += 6)
          settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
        expect(settings.get(SETTINGS_MAX_CONCURRENT_STREAMS)).toBe(3);
        const fields = requestFields({ ":path": "/etcdserverpb.Watch/Watch" });
        client.send(encodeFrame(SETTINGS, ACK, 0, Buffer.alloc(0)));
        for (const id of [1, 3, 5, 7]) client.send(headers(id, fields));
        expect(await client.resetCode(7)).toBe(REFUSED_STREAM);
        client.destroy();
      });

      test.sequential("GR-09: a client that answers no ping loses its connection, and its watches are freed", async () => {
        const client = await EtcdClient.connect(shared.store.url);
        const stream = client.watch();
        await stream.create(watchCreateRequest("gr09"));
        await expect.poll(watchers, { timeout: 10_000 }).toBe(1);
        client.lean.pauseReading();
        await expect.poll(watchers, { timeout: 20_000 }).toBe(0);
        client.lean.destroy();
      });

      test.sequential("GR-09: one that is silent and answers them keeps it", async () => {
        const client = await EtcdClient.connect(shared.store.url);
        const stream = client.watch();
        await stream.create(watchCreateRequest("gr09"));
        // Longer than a client may be silent altogether, with some to spare.
        await new Promise((resolve) => setTimeout(resolve, 9_000));
        await shared.put("gr09");
        expect((await stream.nextEvents(1)).length).toBe(1);
        await client.close();
      });
    },
  );
});
