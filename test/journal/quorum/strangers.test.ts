/** Who is not the one that was looked for: each is refused with what is wrong, here and there, and nobody else is harmed. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { GREETING_MS_MAX, REPLICA_STRANGERS_MAX } from "../../../journal/limits.ts";
import { encodeGreeting, type Greeting, GreetingError, GreetingReader } from "../../../journal/quorum/greeting.ts";
import type { ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { append, answerAtOnce, IDENTITY, Told, ToldLink, ToldServer } from "./tcp-pair.ts";

const OTHER_CLUSTER = { clusterId: Buffer.alloc(16, 0xcd), salt: 1234 };
const WRITER: Greeting = { identity: IDENTITY, zone: "a", writer: 9, reason: "", isForFiles: false };

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function listen(options: Parameters<typeof ToldServer.listen>[0] = {}): Promise<ToldServer> {
  const server = await ToldServer.listen(options);
  endings.push(() => server.server.close());
  return server;
}

function open(port: number, options: ConstructorParameters<typeof ToldLink>[1] = {}): ToldLink {
  const link = new ToldLink(port, options);
  endings.push(() => link.link.close());
  return link;
}

/** A client of another kind, that says these bytes. */
function call(port: number, bytes: Uint8Array | string): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(bytes);
  endings.push(() => socket.destroy());
  return socket;
}

/** A server of another kind, that says these bytes to whoever comes. */
async function answerAll(bytes: Uint8Array | string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.resume();
    socket.write(bytes);
    endings.push(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A greeting of another version of the protocol, whatever else is in it. */
function greetingOfVersion(version: number): Buffer {
  const bytes = encodeGreeting(WRITER);
  bytes.writeUInt32LE(version, 8);
  return bytes;
}

describe("a writer", () => {
  test.each([
    [
      "of another cluster",
      { identity: () => OTHER_CLUSTER },
      `the writer is of cluster ${"cd".repeat(16)}, and the replica of cluster ${"ab".repeat(16)}`,
    ],
    [
      "of another journal of the cluster",
      { identity: () => ({ ...IDENTITY, salt: 99 }) },
      "the replica keeps another journal of this cluster: its salt differs",
    ],
    [
      "that looks for another zone",
      { zone: "b" },
      "the writer looks for the replica of zone b, and this is that of zone a",
    ],
  ])("%s is refused, in the same words at both ends", async (_, options, words) => {
    const server = await listen();
    const link = open(server.port, options);
    expect(await server.refused()).toBe(words);
    expect(await link.down()).toBe(`tcp://127.0.0.1:${server.port}: the replica refuses: ${words}`);
  });

  test("finds by itself that a replica is not the one, should that not refuse", async () => {
    const port = await answerAll(
      encodeGreeting({ identity: IDENTITY, zone: "c", writer: 0, reason: "", isForFiles: false }),
    );
    expect(await open(port).down()).toContain("looks for the replica of zone a, and this is that of zone c");
    const other = await answerAll(
      encodeGreeting({ identity: OTHER_CLUSTER, zone: "a", writer: 0, reason: "", isForFiles: false }),
    );
    expect(await open(other).down()).toContain(`and the replica of cluster ${"cd".repeat(16)}`);
  });

  test("that knows no journal yet is told which one the replica keeps, and a blank replica says that it is", async () => {
    const asked: unknown[] = [];
    const server = await listen();
    const link = open(server.port, { identity: () => null, onIdentity: (identity) => asked.push(identity) });
    await link.up();
    const blank = await listen({ identity: () => null });
    const former = open(blank.port, { onIdentity: (identity) => asked.push(identity) });
    await former.up();
    expect(asked).toEqual([IDENTITY, null]);
    link.link.send(append(1, null));
    await link.answer(1);
  });

  test("of another version of the protocol is refused, and told the version", async () => {
    const server = await listen();
    const socket = call(server.port, greetingOfVersion(7));
    const reader = new GreetingReader();
    const told = new Told<Greeting>();
    socket.on("data", (chunk: Buffer) => {
      const greeting = reader.push(chunk);
      if (greeting !== null) told.add(greeting);
    });
    const words = "speaks version 7 of the replicas' protocol, and here is version 2";
    expect((await told.find(() => true)).reason).toBe(`the writer ${words}`);
    expect(await server.refused()).toBe(`it ${words}`);
    await once(socket, "close");
  });

  test.each([
    ["another version of the protocol", greetingOfVersion(7), "it speaks version 7 of the replicas' protocol"],
    ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP"],
    ["TLS", Buffer.from([21, 3, 3, 0, 2, 2, 70]), "it speaks TLS, and here is plain TCP"],
    ["SSH", "SSH-2.0-OpenSSH_9.6\r\n", "it speaks SSH"],
    ["nothing that is known", Buffer.from("0102030405060708", "hex"), "first bytes are 0102030405060708"],
    ["damage", encodeGreeting(WRITER).fill(0xff, 40), "it sent a damaged greeting"],
  ])("that finds %s where a replica should be says so", async (_, bytes, words) => {
    const port = await answerAll(bytes);
    expect(await open(port).down()).toContain(`tcp://127.0.0.1:${port}: `);
    expect(await open(port).down()).toContain(words);
  });
});

describe("a stranger", () => {
  /** A server, and one who is served all the while. */
  async function serve(
    options: Parameters<typeof ToldServer.listen>[0] = {},
  ): Promise<[ToldServer, ToldLink, ReplicaRequest[]]> {
    const received: ReplicaRequest[] = [];
    const server = await listen({
      replica: {
        handle(request, answer) {
          received.push(request);
          answerAtOnce(request, answer);
        },
      },
      ...options,
    });
    const friend = open(server.port);
    await friend.up();
    return [server, friend, received];
  }

  async function checkFriend(friend: ToldLink, received: ReplicaRequest[]): Promise<void> {
    friend.link.send(append(1, null));
    await friend.answer(1);
    expect(received.length).toBe(1);
    expect(friend.told.all.map(({ kind }) => kind)).toEqual(["up", "answer"]);
  }

  test.each([
    ["HTTP/1.1", "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "it speaks HTTP"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it speaks HTTP"],
    ["TLS", Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), "it speaks TLS, and here is plain TCP"],
    ["nothing that is known", Buffer.from("ffeeddccbbaa9988", "hex"), "its first bytes are ffeeddccbbaa9988"],
    ["a damaged greeting", encodeGreeting(WRITER).fill(0, 20, 30), "it sent a damaged greeting"],
    ["a greeting that is too long", encodeGreeting(WRITER).fill(0xff, 12, 16), "it sent a damaged greeting"],
  ])("that says %s is sent away, and it is told what it was", async (_, bytes, words) => {
    const [server, friend, received] = await serve();
    const socket = call(server.port, bytes);
    expect(await server.refused()).toContain(words);
    if (!socket.closed) await once(socket, "close");
    await checkFriend(friend, received);
  });

  test("that speaks real TLS to a plain port is told of as that", async () => {
    const [server, friend, received] = await serve();
    const socket = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => undefined);
    expect(await server.refused()).toBe("it speaks TLS, and here is plain TCP");
    await checkFriend(friend, received);
  });

  test("that says nothing, or goes on too slowly, is sent away when the time for a greeting is over", async () => {
    const clock = new ManualClock();
    const [server, friend, received] = await serve({ clock });
    const silent = call(server.port, "");
    await once(silent, "connect");
    const slow = call(server.port, "");
    await new Promise((resolve) => slow.write(encodeGreeting(WRITER).subarray(0, 20), resolve));
    const went = [silent, slow].map((socket) => once(socket, "close"));
    // Who comes behind them is heard behind them.
    await open(server.port, { writer: 3 }).up();
    await clock.advance(GREETING_MS_MAX);
    await Promise.all(went);
    const reasons = server.told.all.flatMap((event) => (event.kind === "refused" ? [event.reason] : []));
    expect(reasons).toEqual([
      "it has not greeted within 5 s (0 bytes came)",
      "it has not greeted within 5 s (20 bytes came)",
    ]);
    await checkFriend(friend, received);
  });

  test("that goes without a word is told of", async () => {
    const [server, friend, received] = await serve();
    call(server.port, "").end();
    expect(await server.refused()).toBe("it has gone without a greeting");
    await checkFriend(friend, received);
  });

  test("that comes in crowds takes no room from those who greet: the oldest goes", async () => {
    const [server, friend, received] = await serve();
    for (let i = 0; i < REPLICA_STRANGERS_MAX + 10; i++) await once(call(server.port, ""), "connect");
    expect(await server.refused()).toBe(`${REPLICA_STRANGERS_MAX} connections came after it, and it has not greeted`);
    const late = open(server.port, { writer: 3 });
    await late.up();
    await checkFriend(friend, received);
  });

  test("that greets in order and sends damage then is ended, and the replica hears nothing of it", async () => {
    const [server, friend, received] = await serve();
    const socket = call(server.port, Buffer.concat([encodeGreeting(WRITER), Buffer.alloc(500, 0xee)]));
    expect(await server.told.find(({ kind }) => kind === "disconnected")).toMatchObject({
      writer: 9,
      reason: expect.stringContaining("what it sends is damaged: a packet of"),
    });
    if (!socket.closed) await once(socket, "close");
    await checkFriend(friend, received);
  });
});

describe("a greeting", () => {
  const greetings: fc.Arbitrary<Greeting> = fc.record({
    identity: fc.option(
      fc.record({
        clusterId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
        salt: fc.nat(0xffff_ffff),
      }),
    ),
    zone: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
    writer: fc.maxSafeNat(),
    reason: fc.string({ unit: "grapheme", maxLength: 50 }),
    isForFiles: fc.boolean(),
  });

  test("comes as it was sent, in whatever pieces, with what follows it", () => {
    fc.assert(
      fc.property(greetings, fc.uint8Array({ maxLength: 50 }), fc.integer({ min: 1, max: 90 }), (sent, rest, size) => {
        const bytes = Buffer.concat([encodeGreeting(sent), rest]);
        const reader = new GreetingReader();
        let received: Greeting | null = null;
        let offset = 0;
        for (; received === null; offset += size) received = reader.push(bytes.subarray(offset, offset + size));
        expect(received).toEqual(sent);
        expect(Buffer.concat([reader.rest, bytes.subarray(offset)])).toEqual(Buffer.from(rest));
      }),
    );
  });

  test("with a flipped bit is none", () => {
    fc.assert(
      fc.property(greetings, fc.nat(), (sent, flip) => {
        const bytes = encodeGreeting(sent);
        const bit = flip % (bytes.length * 8);
        bytes[bit >> 3] ^= 1 << (bit & 7);
        let received: Greeting | null = null;
        try {
          received = new GreetingReader().push(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(GreetingError);
        }
        expect(received).toBe(null);
      }),
      { numRuns: 1000 },
    );
  });
});
