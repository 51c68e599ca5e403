/** When a TLS handshake is begun: a client's first message is whole by then. */
import { once } from "node:events";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { HELLO_BYTES_MAX, isWholeHello } from "../../../server/transport/socket/client-hello.ts";
import { SecureFront } from "../../../server/transport/socket/secure-front.ts";
import { DEFAULT_LIMITS } from "../../../server/transport/limits.ts";
import type { TransportLimits } from "../../../server/transport/limits.ts";
import { Authority, opensslMissing } from "../../journal/quorum/certificates.ts";

/** What a TLS client says first. */
async function realHello(): Promise<Buffer> {
  const server = createPlainServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

/** The same message in records of so many bytes. */
function inRecords(hello: Buffer, bytes: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += bytes) {
    const part = hello.subarray(at, at + bytes);
    records.push(Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

describe("the first message of TLS", () => {
  test.each([1, 3, 4, 5, 100, 16_384])(
    "is whole at its last byte and not before, in records of %i bytes",
    async (size) => {
      const hello = inRecords(await realHello(), size);
      for (let end = 0; end < hello.length; end++) expect(isWholeHello(hello.subarray(0, end))).toBe(false);
      expect(isWholeHello(hello)).toBe(true);
      expect(isWholeHello(Buffer.concat([hello, Buffer.from("more")]))).toBe(true);
    },
  );

  test.each([
    ["a record of nothing", "160301000016030100"],
    ["another message", "1603010100020000fc"],
    ["a record of another type behind the first", "16030100020100170301"],
  ])("what is none is not waited for: %s", (_, hex) => {
    expect(isWholeHello(Buffer.from(hex, "hex"))).toBe(true);
  });
});

describe.skipIf(opensslMissing)("the front of a port with TLS", () => {
  let authority: Authority;
  let material: SecureContextOptions;

  beforeAll(() => {
    authority = new Authority();
    const { cert, key } = authority.issue("server");
    material = { cert, key };
  });
  afterAll(() => authority.remove());

  async function open(limits: Partial<TransportLimits> = {}) {
    const seen = { begun: 0, taken: 0, failed: [] as string[] };
    const front = new SecureFront({
      terms: {
        asksClients: false,
        fresh: () => {
          seen.begun++;
          return Promise.resolve(material);
        },
        refuse: () => null,
        userOf: () => null,
      },
      protocols: ["h2"],
      limits: { ...DEFAULT_LIMITS, ...limits },
      take: (socket) => {
        seen.taken++;
        socket.on("error", () => {});
      },
      takePlain: null,
      fail: (_, reason) => seen.failed.push(reason),
    });
    const server = createPlainServer((socket) => front.accept(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const say = (bytes: Buffer): Socket => {
      const socket = connectPlain(port, "127.0.0.1", () => socket.write(bytes));
      socket.on("error", () => {});
      onTestFinished(() => void socket.destroy());
      return socket;
    };
    return { seen, port, say };
  }

  test("begins no handshake before the last byte has come, and then a few in each turn", async () => {
    const hello = await realHello();
    const { seen, port, say } = await open({ handshakesPerTurnMax: 2 });
    const held = Array.from({ length: 10 }, () => say(hello.subarray(0, -1)));
    await Promise.all(held.map((socket) => once(socket, "connect")));
    // One that came later is served: what the others have sent was read.
    const other = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    await once(other, "secureConnect");
    await vi.waitUntil(() => seen.taken === 1);
    other.destroy();
    expect(seen.begun).toBe(1);
    const answers = Promise.all(held.map((socket) => once(socket, "data")));
    for (const socket of held) socket.write(hello.subarray(-1));
    await answers;
    expect(seen.begun).toBeGreaterThanOrEqual(1 + 10 / 2);
    expect(seen.failed).toEqual([]);
  });

  test("sends away a message without end", async () => {
    const { seen, say } = await open();
    const endless = Buffer.alloc(HELLO_BYTES_MAX, 0x16);
    endless.set([0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]);
    await once(say(endless), "close");
    expect(seen).toEqual({ begun: 0, taken: 0, failed: ["client's first message of TLS is too long"] });
  });

  test("sends away who begins a handshake and says no more", async () => {
    const hello = await realHello();
    const { seen, say } = await open({ handshakeTimeoutMs: 50 });
    const socket = say(hello);
    socket.resume();
    await once(socket, "close");
    expect(seen).toMatchObject({ begun: 1, taken: 0, failed: [expect.stringMatching(/timeout/i)] });
  });

  test("sends away who does not say its first message to the end", async () => {
    const hello = await realHello();
    const { seen, say } = await open({ prefaceTimeoutMs: 50 });
    await once(say(hello.subarray(0, 20)), "close");
    await vi.waitUntil(() => seen.failed.length === 1);
    expect(seen).toEqual({ begun: 0, taken: 0, failed: ["client sends nothing"] });
  });
});
