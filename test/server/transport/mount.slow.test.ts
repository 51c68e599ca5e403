/** The same methods behind our transport and behind @grpc/grpc-js give every client the same answers. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { GrpcServer } from "../../../server/transport/grpc-server.ts";
import { LISTED_CALLS } from "./support-call-list.ts";
import { grpcJsTestClient, http2TestClient, leanTestClient, type TestClient } from "./support-clients.ts";
import { serveOnGrpcJs } from "./support-grpc-js-mount.ts";
import { TestService } from "./support-test-service.ts";

interface Running {
  readonly url: string;
  readonly service: TestService;
  stop(): Promise<void>;
}

async function serveOnPlinth(): Promise<Running> {
  const service = new TestService();
  const server = new GrpcServer({ methods: service.methods, http: (_, response) => response.end(), poisonReads: true });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  return { url: `http://127.0.0.1:${port}`, service, stop: () => server.shutdown(0) };
}

async function serveOnPeer(): Promise<Running> {
  const service = new TestService();
  const { url, stop } = await serveOnGrpcJs(service.methods);
  return { url, service, stop: async () => stop() };
}

type Connect = readonly [name: string, connect: (url: string) => Promise<TestClient>];

const CLIENTS: readonly Connect[] = [
  ["the lean client", (url) => leanTestClient(url)],
  ["@grpc/grpc-js", async (url) => grpcJsTestClient(url)],
  ["node:http2", (url) => http2TestClient(url)],
];

/** Clients with unusual settings, for our transport only. */
const ODD_CLIENTS: readonly Connect[] = [
  [
    "the lean client with small windows",
    (url) => leanTestClient(url, { streamWindow: 5000, connectionWindow: 65_535 }),
  ],
  ["@grpc/grpc-js with gzip", async (url) => grpcJsTestClient(url, { "grpc.default_compression_algorithm": 2 })],
  ["node:http2 without a header table", (url) => http2TestClient(url, { headerTableSize: 0 })],
];

describe.each([
  ["our transport", serveOnPlinth, [...CLIENTS, ...ODD_CLIENTS]],
  ["@grpc/grpc-js", serveOnPeer, CLIENTS],
] as const)("methods mounted on %s", (_server, serve, clients) => {
  let running: Running;

  beforeAll(async () => {
    running = await serve();
  });
  afterAll(() => running.stop());

  describe.each(clients)("called by %s", (_client, connect) => {
    let client: TestClient;

    beforeAll(async () => {
      client = await connect(running.url);
    });
    afterAll(() => client.close());

    it.each(LISTED_CALLS.map((listed) => [listed.title, listed] as const))("answer %s", async (_title, listed) => {
      const outcome = await client.call(listed.path, listed.messages, listed.options);
      expect({ code: outcome.code, text: outcome.text, replies: outcome.replies.length }).toEqual({
        code: listed.expected.code,
        text: listed.expected.text,
        replies: listed.expected.replies.length,
      });
      const wrong = outcome.replies.findIndex((reply, i) => !reply.equals(listed.expected.replies[i]));
      expect(wrong, "the first reply with wrong bytes").toBe(-1);
    });

    it("are not known by a path that was not mounted", async () => {
      expect(await client.call("/test.Calls/Nowhere", [Buffer.alloc(3)])).toMatchObject({ code: 12, replies: [] });
    });

    it("all calls at once give what they give one by one", async () => {
      const outcomes = await Promise.all(
        LISTED_CALLS.map((listed) => client.call(listed.path, listed.messages, listed.options)),
      );
      const wrong = LISTED_CALLS.filter(({ expected }, i) => {
        const { code, text, replies } = outcomes[i];
        return (
          code !== expected.code ||
          text !== expected.text ||
          !Buffer.concat(replies).equals(Buffer.concat(expected.replies))
        );
      });
      expect(wrong.map(({ title }) => title)).toEqual([]);
    });
  });

  it("leave no stream open and call no listener after its end", async () => {
    await running.service.streamsOpen(0);
    expect(running.service.lateCalls).toBe(0);
  });
});
