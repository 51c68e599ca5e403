import { once } from "node:events";
import { Agent, request } from "node:http";
import type { RequestOptions } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { DATA, END_HEADERS, END_STREAM, INTERNAL_ERROR, RST_STREAM } from "../../../server/transport/frames/frames.ts";
import { RawClient, data, grpcMessage, headers } from "./raw-client.ts";
import { startServer } from "./test-server.ts";

async function http1(
  options: RequestOptions,
  body = "",
): Promise<{ status: number | undefined; seen: unknown; body: string }> {
  const outgoing = request({ host: "127.0.0.1", ...options });
  outgoing.end(body);
  const [response] = await once(outgoing, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, seen: response.headers["x-seen"], body: text };
}

async function http2(
  url: string,
  fields: Record<string, string>,
  body: Buffer | null,
): Promise<{ status: unknown; seen: unknown; body: string }> {
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const stream = session.request(fields, { endStream: body === null });
  if (body !== null) stream.end(body);
  const [received] = await once(stream, "response");
  let text = "";
  for await (const chunk of stream) text += chunk;
  return { status: received[":status"], seen: received["x-seen"], body: text };
}

describe("GR-01 HTTP/1.1 on the port of gRPC", () => {
  test("a request is answered", async () => {
    const { port } = await startServer();
    expect(await http1({ port, path: "/health" })).toEqual({ status: 200, seen: "GET /health", body: "" });
    expect(await http1({ port, path: "/v3/x", method: "POST" }, "body")).toEqual({
      status: 404,
      seen: "POST /v3/x",
      body: "body",
    });
  });

  test("a head has to come in a while, and a body may stay open", async () => {
    const { port, server } = await startServer({ httpHeadMs: 30, sweepIntervalMs: 10 });
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write("POST /v3/x HTTP/1.1\r\n");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /);
    expect(server.http.requestTimeout).toBe(0);
  });

  test("a connection serves several requests", async () => {
    const { port } = await startServer();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (let i = 0; i < 3; i++) expect((await http1({ port, path: `/${i}`, agent })).seen).toBe(`GET /${i}`);
  });

  test("a request that comes octet by octet is answered", async () => {
    const { port } = await startServer();
    const socket = connect({ port, noDelay: true });
    for (const octet of Buffer.from(
      "PUT /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )) {
      await new Promise((resolve) => socket.write(Buffer.of(octet), resolve));
    }
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*x-seen: PUT \/health/);
  });

  test("what is neither HTTP/2 nor HTTP/1.1 gets status 400", async () => {
    const { port } = await startServer();
    const socket = connect(port);
    socket.write("PRI HELLO\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("gRPC goes on beside it", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    await http1({ port, path: "/health" });
    client.send(headers(1), data(1, grpcMessage(Buffer.from("hello"))));
    expect((await client.answer(1)).body.subarray(5).toString()).toBe("hello");
  });

  test("a listener for HTTP only does not take HTTP/2", async () => {
    const { server } = await startServer();
    const { port } = await server.listen({ host: "127.0.0.1", port: 0, traffic: "http" });
    expect((await http1({ port, path: "/health" })).status).toBe(200);
    const client = await RawClient.connect({ port: port as number });
    client.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    await client.closed;
    expect(client.frames).toEqual([]);
  });

  test("a unix socket takes both", async () => {
    const directory = await mkdtemp(join(tmpdir(), "plinth-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const { server } = await startServer();
    const path = join(directory, "socket");
    expect(await server.listen({ path })).toEqual({ path });
    expect((await http1({ socketPath: path, path: "/health" })).status).toBe(200);
    const client = await RawClient.open({ path });
    client.send(headers(1), data(1, grpcMessage(Buffer.from("hello"))));
    expect((await client.answer(1)).body.subarray(5).toString()).toBe("hello");
  });

  test("a port that is taken is an error", async () => {
    const { server, port } = await startServer();
    await expect(server.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("plain HTTP over HTTP/2", () => {
  test("GET is answered by the HTTP handler", async () => {
    const { port, server } = await startServer();
    expect(await http2(`http://127.0.0.1:${port}`, { ":path": "/health" }, null)).toEqual({
      status: 200,
      seen: "GET /health",
      body: "",
    });
    expect(server.streamCount).toBe(0);
  });

  test("its handler is told whose connection it is", async () => {
    const { port } = await startServer();
    const { body } = await http2(`http://127.0.0.1:${port}`, { ":path": "/whose" }, null);
    expect(body.toString()).toBe("127.0.0.1");
  });

  test("a body goes there and back", async () => {
    const { port } = await startServer();
    const body = Buffer.alloc(1_000_000, "0123456789");
    const fields = { ":path": "/v3/kv/put", ":method": "POST", "content-type": "application/json" };
    const answer = await http2(`http://127.0.0.1:${port}`, fields, body);
    expect(answer).toMatchObject({ status: 404, seen: "POST /v3/kv/put" });
    expect(answer.body === body.toString()).toBe(true);
  });

  test("a body above the limit gets status 413", async () => {
    const { port } = await startServer({ plainBodyBytesMax: 1_000 });
    const fields = { ":path": "/v3/kv/put", ":method": "POST" };
    expect(await http2(`http://127.0.0.1:${port}`, fields, Buffer.alloc(1_001))).toMatchObject({ status: 413 });
  });

  test("a path that HTTP/1.1 cannot say gets status 400", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(
      headers(
        1,
        [
          [":method", "GET"],
          [":scheme", "http"],
          [":path", "/a b"],
          [":authority", "x"],
        ],
        5,
      ),
    );
    expect((await client.answer(1)).fields[":status"]).toBe("400");
  });

  test("an answer with headers too large for a frame gives status 502", async () => {
    const { port } = await startServer(
      {},
      {
        http: (_request, response) => {
          response.setHeader("x-large", "x".repeat(8_000));
          response.setHeader("x-larger", "x".repeat(8_400));
          response.end();
        },
      },
    );
    expect(await http2(`http://127.0.0.1:${port}`, { ":path": "/" }, null)).toMatchObject({ status: 502 });
  });

  test("a handler that hangs up gives status 502", async () => {
    const { port } = await startServer({}, { http: (incoming) => void incoming.socket.destroy() });
    expect(await http2(`http://127.0.0.1:${port}`, { ":path": "/health" }, null)).toMatchObject({ status: 502 });
  });

  test.each(["content-length", "chunked"])("an answer of %s that breaks off is reset, not ended", async (kind) => {
    const { port, server } = await startServer(
      {},
      {
        http: (incoming, response) => {
          if (kind === "content-length") response.setHeader("content-length", "1000");
          response.write("begun", () => incoming.socket.destroy());
        },
      },
    );
    const client = await RawClient.open({ port });
    const fields = { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "x" };
    client.send(headers(1, Object.entries(fields), END_HEADERS | END_STREAM));
    const reset = await client.frame(({ type, streamId }) => type === RST_STREAM && streamId === 1);
    expect(reset.payload.readUInt32BE(0)).toBe(INTERNAL_ERROR);
    for (const { type, flags } of client.frames) if (type === DATA) expect(flags & END_STREAM).toBe(0);
    expect(server.streamCount).toBe(0);
  });

  test("a reset by the client ends the request", async () => {
    const aborted = Promise.withResolvers<void>();
    const { port } = await startServer(
      {},
      {
        http: (incoming, response) => {
          response.on("close", () => aborted.resolve());
          response.write("begun");
          incoming.resume();
        },
      },
    );
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":path": "/" });
    await once(stream, "data");
    stream.close(8);
    await aborted.promise;
  });
});
