/** Connections that are closed because of their clients: each is counted, and the log says whose it was and why. */

import { expect, test } from "vitest";

import { DATA, PROTOCOL_ERROR, encodeFrame } from "../../../server/transport/frames/frames.ts";
import type { GrpcServerOptions } from "../../../server/transport/grpc-server.ts";
import { RawClient } from "./raw-client.ts";
import { startServer } from "./test-server.ts";

interface Seen extends Partial<GrpcServerOptions> {
  readonly lines: (object & { readonly text: string })[];
  closed: number;
}

function watching(): Seen {
  const seen: Seen = {
    lines: [],
    closed: 0,
    log: { warn: (fields, text) => void seen.lines.push({ ...fields, text }) },
    observer: { onStarted() {}, onHandled() {}, onConnectionClosed: () => void seen.closed++ },
  };
  return seen;
}

test("a client that breaks a rule", async () => {
  const seen = watching();
  const { port } = await startServer({}, seen);
  const client = await RawClient.open({ port, host: "127.0.0.1" });
  const remote = `127.0.0.1:${client.socket.localPort}`;
  client.send(encodeFrame(DATA, 0, 0, Buffer.alloc(1)));
  await client.closed;
  expect(seen.lines).toEqual([
    { remote, reason: "DATA on stream 0", "error-code": PROTOCOL_ERROR, text: "closed a client's connection" },
  ]);
  expect(seen.closed).toBe(1);
});

test("a client that says nothing", async () => {
  const seen = watching();
  const { port } = await startServer({ prefaceTimeoutMs: 30 }, seen);
  const client = await RawClient.connect({ port, host: "127.0.0.1" });
  const remote = `127.0.0.1:${client.socket.localPort}`;
  await client.closed;
  expect(seen.lines).toMatchObject([{ remote, reason: "client sends nothing" }]);
  expect(seen.closed).toBe(1);
});

test("but not one that goes by itself", async () => {
  const seen = watching();
  const { port, server } = await startServer({}, seen);
  const client = await RawClient.open({ port });
  client.destroy();
  await expect.poll(() => server.connectionCount).toBe(0);
  expect([seen.lines, seen.closed]).toEqual([[], 0]);
});
