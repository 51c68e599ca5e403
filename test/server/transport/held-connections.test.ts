import { describe, expect, test } from "vitest";
import * as frames from "../../../server/transport/frames/frames.ts";
import type { Waiting } from "../../../server/transport/grpc-server.ts";
import { RawClient, request } from "./raw-client.ts";
import { startServer } from "./test-server.ts";

const hello = Buffer.from("hello");

class Wait implements Waiting {
  isOver = false;
  #tell: () => void = () => {};

  whenOver(tell: () => void): void {
    this.#tell = tell;
  }

  end(): void {
    this.isOver = true;
    this.#tell();
  }
}

/** As clients of gRPC in Go begin: they wait for the server's SETTINGS before their first call. */
async function openSilently(port: number): Promise<RawClient> {
  const client = await RawClient.connect({ port, host: "127.0.0.1" });
  client.send(frames.PREFACE, frames.encodeFrame(frames.SETTINGS, 0, 0, frames.encodeSettings([])));
  return client;
}

describe("a server that waits for another one", () => {
  test("greets no client that waits for that, until it serves", async () => {
    const heldUntil = new Wait();
    const { port } = await startServer({}, { heldUntil });
    const client = await openSilently(port);
    const other = await openSilently(port);
    // Who asks at once is answered at once; by then the first one has been heard as well.
    other.send(request(1, "/test.Test/Echo", hello));
    expect((await other.answer(1)).fields["grpc-status"]).toBe("0");
    expect(client.frames).toEqual([]);
    heldUntil.end();
    await client.frame(({ type }) => type === frames.SETTINGS);
    client.send(request(1, "/test.Test/Echo", hello));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("0");
  });

  test("greets it and sends it away before it loses patience, without a call", async () => {
    const { port, server } = await startServer({ holdMs: 20 }, { heldUntil: new Wait() });
    const client = await openSilently(port);
    await client.closed;
    const types = client.frames.map(({ type }) => type);
    expect([types[0], types.at(-1)]).toEqual([frames.SETTINGS, frames.GOAWAY]);
    expect(client.frames.at(-1)?.payload.readUInt32BE(0)).toBe(0);
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  test("leaves it at once when it stops", async () => {
    const { port, server } = await startServer({}, { heldUntil: new Wait() });
    const client = await openSilently(port);
    const other = await openSilently(port);
    other.send(request(1, "/test.Test/Echo", hello));
    await other.answer(1);
    other.destroy();
    await server.shutdown(3_600_000);
    await client.closed;
    expect(client.frames).toEqual([]);
  });

  test("answers HTTP/1.1 meanwhile, and forgets a client that has gone", async () => {
    const heldUntil = new Wait();
    const { port } = await startServer({}, { heldUntil });
    const client = await openSilently(port);
    client.destroy();
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    heldUntil.end();
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  });
});
