import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { GREETING_MS_MAX } from "../../../journal/limits.ts";
import { encodeGreeting } from "../../../journal/quorum/greeting.ts";
import type { TlsMaterial } from "../../../journal/quorum/tcp-link.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { Authority, opensslMissing } from "./certificates.ts";
import { append, IDENTITY, ToldLink, ToldServer } from "./tcp-pair.ts";
import { makeFrame } from "./test-frames.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function listen(options: Parameters<typeof ToldServer.listen>[0]): Promise<ToldServer> {
  const server = await ToldServer.listen(options);
  endings.push(() => server.server.close());
  return server;
}

function open(port: number, tls: TlsMaterial | null, host = "127.0.0.1", isSecure = tls !== null): ToldLink {
  const link = new ToldLink(port, { address: { isSecure, host, port }, tls });
  endings.push(() => link.link.close());
  return link;
}

test.skipIf(!hasIpv6)("a replica is reached over IPv6", async () => {
  const server = await listen({ host: "::1" });
  const link = open(server.port, null, "::1");
  await link.up();
  link.link.send(append(1, null));
  expect(await link.answer(1)).toMatchObject({ kind: "durable" });
});

test("a link over TLS without a certificate is a mistake of who opens it", () => {
  expect(() => open(1, null, "127.0.0.1", true)).toThrow(
    "an address with tls:// needs a certificate, its key and a CA",
  );
});

describe.skipIf(opensslMissing)("mutual TLS", () => {
  let authority: Authority;
  let other: Authority;
  let replica: TlsMaterial;
  let writer: TlsMaterial;
  let stranger: TlsMaterial;
  beforeAll(() => {
    authority = new Authority();
    other = new Authority();
    replica = authority.issue("replica");
    writer = authority.issue("writer");
    stranger = other.issue("stranger");
  });
  afterAll(() => {
    authority.remove();
    other.remove();
  });

  test("carries requests, large frames and answers", async () => {
    const server = await listen({ tls: replica });
    const link = open(server.port, writer);
    await link.up();
    for (const [seq, size] of [10, 2_000_000, 0].entries()) {
      link.link.send(append(seq, makeFrame(Buffer.alloc(size, 3))));
      expect(await link.answer(seq)).toMatchObject({ kind: "durable" });
    }
    await open(server.port, writer, "localhost").up();
  });

  test("refuses a writer with a certificate of another authority, and says so at both ends", async () => {
    const server = await listen({ tls: replica });
    const link = open(server.port, { ...stranger, ca: replica.ca });
    const words = `the writer's certificate, "stranger", is not one to be trusted (`;
    expect(await server.refused()).toContain(words);
    expect(await link.down()).toContain(`the replica refuses: ${words}`);
  });

  test("refuses a client without a certificate", async () => {
    const server = await listen({ tls: replica });
    const socket = connectTls({ port: server.port, host: "127.0.0.1", ca: replica.ca });
    await once(socket, "secureConnect");
    socket.write(encodeGreeting({ identity: IDENTITY, zone: "a", writer: 1, reason: "", isForFiles: false }));
    const [bytes] = await once(socket, "data");
    const words = "the writer brings no certificate";
    expect(String(bytes)).toContain(words);
    expect(await server.refused()).toContain(words);
    socket.destroy();
  });

  test("does not speak to a replica of another authority", async () => {
    const server = await listen({ tls: stranger });
    const link = open(server.port, writer);
    expect(await link.down()).toMatch(/^tls:\/\/127\.0\.0\.1:\d+: .*certificate/);
    expect(await server.refused()).not.toBe("");
  });

  test("does not speak to a replica whose certificate is for another host", async () => {
    const server = await listen({ tls: replica, host: "127.0.0.2" });
    expect(await open(server.port, writer, "127.0.0.2").down()).toContain("127.0.0.2 is not in the cert's list");
  });

  test("and plain TCP at the other end are told from one another", async () => {
    const secure = await listen({ tls: replica });
    const ended = "it has ended the connection without a greeting: does it speak";
    expect(await open(secure.port, null).down()).toContain(`${ended} TLS?`);
    expect(await secure.refused()).toBe("TLS failed: wrong version number");
    const plain = await listen({});
    expect(await open(plain.port, writer).down()).toContain(`${ended} plain TCP?`);
    expect(await plain.refused()).toBe("it speaks TLS, and here is plain TCP");
  });

  test("sends those away who do not come to its end", async () => {
    const clock = new ManualClock();
    const server = await listen({ tls: replica, clock });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    // Who comes behind it is heard behind it.
    await open(server.port, writer).up();
    await clock.advance(GREETING_MS_MAX);
    expect(await server.refused()).toBe("it has not greeted within 5 s (0 bytes came)");
    if (!socket.closed) await once(socket, "close");
  });
});
