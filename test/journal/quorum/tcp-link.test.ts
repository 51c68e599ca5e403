import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  GREETING_MS_MAX,
  LINK_SILENT_MS_MAX,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  REPLICA_CONNECTIONS_MAX,
  REQUESTS_IN_HAND_MAX,
} from "../../../journal/limits.ts";
import { encodeGreeting } from "../../../journal/quorum/greeting.ts";
import { JournalError } from "../../../journal/journal.ts";
import type { ReplicaServerOptions } from "../../../journal/quorum/replica-server.ts";
import type { TcpLinkOptions } from "../../../journal/quorum/tcp-link.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { append, answerAtOnce, IDENTITY, Told, ToldLink, ToldServer } from "./tcp-pair.ts";
import { makeFrame } from "./test-frames.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function listen(options: Partial<ReplicaServerOptions> = {}): Promise<ToldServer> {
  const server = await ToldServer.listen(options);
  endings.push(() => server.server.close());
  return server;
}

function open(port: number, options: Partial<TcpLinkOptions> = {}): ToldLink {
  const link = new ToldLink(port, options);
  endings.push(() => link.link.close());
  return link;
}

/** A server that does with its connections what the test says. */
async function listenBare(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Greets whoever connects as the replica that was looked for. */
function greet(socket: Socket): void {
  socket.write(encodeGreeting({ identity: IDENTITY, zone: "a", writer: 0, reason: "", isForFiles: false }));
}

describe("a link over TCP", () => {
  test("carries requests to the replica and its answers back, large frames between small ones", async () => {
    const received: ReplicaRequest[] = [];
    const server = await listen({
      replica: {
        handle(request, answer) {
          received.push(request);
          answerAtOnce(request, answer);
        },
      },
    });
    const link = open(server.port);
    const frames = [10, 3_000_000, 0, 100_000].map((size, i) => makeFrame(Buffer.alloc(size, i + 1)));
    await link.up();
    frames.forEach((frame, seq) => link.link.send(append(seq, frame)));
    for (let seq = 0; seq < frames.length; seq++) await link.answer(seq);
    expect(received.length).toBe(frames.length);
    for (const request of received)
      expect(request.kind === "append" && request.frame?.equals(frames[request.seq])).toBe(true);
  });

  test("loses what is sent while it is down, and keeps none of it for later", async () => {
    const server = await listen();
    const link = open(server.port);
    link.link.send(append(1, null));
    await link.up();
    link.link.send(append(2, null));
    await link.answer(2);
    expect(link.told.all.filter(({ kind }) => kind === "answer").length).toBe(1);
  });

  test("comes up again by itself when the replica is back, and says why it was down", async () => {
    const server = await listen();
    const { port } = server;
    const link = open(port);
    await link.up();
    await server.server.close();
    expect(await link.down()).toContain(`tcp://127.0.0.1:${port}: the replica has ended the connection`);
    await link.told.find((event) => event.kind === "down" && event.why.includes("ECONNREFUSED"));
    const seen = link.told.all.length;
    await listen({ port });
    await link.up(seen);
    link.link.send(append(5, null));
    await link.answer(5);
  });

  test("tries again with pauses that grow up to a limit, and tells the same reason once", async () => {
    const port = await listenBare((socket) => socket.destroy());
    const clock = new ManualClock();
    const pauses: number[] = [];
    const tried = new Told<number>();
    const after = clock.after.bind(clock);
    clock.after = (delayMs, callback) => {
      if (delayMs < GREETING_MS_MAX) pauses.push(delayMs);
      tried.add(pauses.length);
      return after(delayMs, callback);
    };
    const link = open(port, { clock });
    for (let i = 1; i <= 9; i++) {
      await tried.find((count) => count === i);
      await clock.advance(pauses[i - 1]);
    }
    expect(pauses.slice(0, 9)).toEqual([20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
    const downs = link.told.all.filter(({ kind }) => kind === "down");
    expect(new Set(downs.map((event) => event.kind === "down" && event.why)).size).toBe(downs.length);
  });

  test("that was up tells why it is down also when that was the reason before", async () => {
    const port = await listenBare((socket) => {
      greet(socket);
      socket.end();
    });
    const link = open(port);
    let seen = 0;
    for (let i = 0; i < 3; i++) {
      await link.up(seen);
      seen = link.told.all.length;
      expect(await link.down(seen - 1)).toContain("the replica has ended the connection");
      seen = link.told.all.length;
    }
  });

  test("that was up begins again with the shortest pause", async () => {
    const clock = new ManualClock();
    const server = await listen();
    const { port } = server;
    const link = open(port, { clock });
    await link.up();
    await server.server.close();
    for (let i = 0; i < 4; i++) {
      const seen = link.told.all.length;
      await link.down(Math.max(0, seen - 1));
      await clock.advance(RECONNECT_MS_MAX);
    }
    const again = await listen({ port });
    await expect
      .poll(async () => {
        await clock.advance(RECONNECT_MS_MAX);
        return link.told.all.filter(({ kind }) => kind === "up").length;
      })
      .toBe(2);
    const seen = link.told.all.length;
    await again.server.close();
    await link.down(seen);
    await listen({ port });
    await clock.advance(RECONNECT_MS_MIN);
    await link.up(seen);
  });

  test("that is answered stays up, however long it goes on", async () => {
    const clock = new ManualClock();
    const server = await listen();
    const link = open(server.port, { clock });
    await link.up();
    for (let seq = 1; seq <= 5; seq++) {
      link.link.send(append(seq, null));
      await link.answer(seq);
      await clock.advance(LINK_SILENT_MS_MAX / 2);
    }
    await clock.advance(LINK_SILENT_MS_MAX * 2);
    expect(link.told.all.filter(({ kind }) => kind === "down")).toEqual([]);
  });

  test("tells nothing of itself when it is closed by who is told of the replica's journal", async () => {
    const clock = new ManualClock();
    const server = await listen();
    const link = open(server.port, { clock, onIdentity: () => link.link.close() });
    await server.disconnected();
    expect([link.told.all, clock.pending]).toEqual([[], 0]);
  });

  test("tells its listener nothing any more once it is closed", async () => {
    const server = await listen();
    const link = open(server.port);
    await link.up();
    link.link.send(append(1, null));
    link.link.close();
    await server.disconnected();
    link.link.send(append(2, null));
    expect(link.told.all.map(({ kind }) => kind)).toEqual(["up"]);
  });

  test("that is closed while it waits to connect again does not", async () => {
    const clock = new ManualClock();
    const port = await listenBare((socket) => socket.destroy());
    const link = open(port, { clock });
    await link.down();
    link.link.close();
    expect(clock.pending).toBe(0);
  });

  test("tells of leases that were given back, and of a replica that waits for its disk, also to who connects later", async () => {
    const server = await listen();
    const early = open(server.port, { writer: 1 });
    await early.up();
    server.server.tellReleased(9);
    const cause = Object.assign(new Error("no space"), { code: "ENOSPC" });
    server.server.tellStalled(new JournalError("ERR_JOURNAL_IO", "the disk is full", { cause }));
    expect(await early.told.find(({ kind }) => kind === "released")).toEqual({ kind: "released", epoch: 9 });
    const late = open(server.port, { writer: 2 });
    for (const link of [early, late]) {
      const stalled = await link.told.find(({ kind }) => kind === "stalled");
      const reason = stalled.kind === "stalled" ? stalled.reason : null;
      expect([reason?.code, reason?.message, reason?.isNoRoom]).toEqual(["ERR_JOURNAL_IO", "the disk is full", true]);
    }
    server.server.tellStalled(null);
    for (const link of [early, late])
      await link.told.find((event) => event.kind === "stalled" && event.reason === null);
  });

  test("gives up a connection that says nothing though it was asked, and begins another", async () => {
    const clock = new ManualClock();
    const connections = new Told<Socket>();
    const port = await listenBare((socket) => {
      greet(socket);
      socket.resume();
      connections.add(socket);
    });
    const link = open(port, { clock });
    await link.up();
    // Nobody has asked.
    await clock.advance(LINK_SILENT_MS_MAX * 3);
    expect(link.told.all.length).toBe(1);
    link.link.send(append(1, null));
    await clock.advance(LINK_SILENT_MS_MAX * 1.5);
    expect(await link.down()).toContain("it was asked and says nothing for 10 s");
    await clock.advance(1000);
    await connections.find((socket) => socket !== connections.all[0]);
  });

  test("to who does not greet goes down after a limit", async () => {
    const clock = new ManualClock();
    const connections = new Told<Socket>();
    const port = await listenBare((socket) => connections.add(socket));
    const link = open(port, { clock });
    const socket = await connections.find(() => true);
    await once(socket, "data");
    await clock.advance(GREETING_MS_MAX);
    expect(await link.down()).toContain("it has not greeted within 5 s");
  });

  test("sends no more than the limit and a packet to a peer that reads nothing, and says so when it ends", async () => {
    const clock = new ManualClock();
    const connected = new Told<Socket>();
    const port = await listenBare((socket) => {
      greet(socket);
      socket.pause();
      connected.add(socket);
    });
    const link = open(port, { clock });
    await link.up();
    const frame = makeFrame(Buffer.alloc(1024 * 1024));
    for (let seq = 1; seq <= 100; seq++) link.link.send(append(seq, frame));
    await clock.advance(LINK_SILENT_MS_MAX);
    // What fits into the kernel besides is its own matter; it got nothing of what was sent in one turn.
    expect(await link.down()).toMatch(/says nothing for 10 s, and 84 requests were not sent as 16 MiB wait to be$/);
  });

  test("lets a beat go past the frames that wait to be written", async () => {
    const order: number[] = [];
    const server = await listen({
      replica: {
        handle(request, answer) {
          order.push(request.seq);
          answerAtOnce(request, answer);
        },
      },
    });
    const link = open(server.port);
    await link.up();
    const frame = makeFrame(Buffer.alloc(1024 * 1024));
    for (let seq = 1; seq <= 4; seq++) link.link.send(append(seq, frame));
    link.link.send(append(5, null));
    await link.answer(4);
    expect(order).toEqual([1, 5, 2, 3, 4]);
  });

  test("is ended by damage in what comes, with what it is", async () => {
    const port = await listenBare((socket) => {
      greet(socket);
      socket.write(Buffer.alloc(400, 1));
    });
    const link = open(port);
    expect(await link.down()).toContain("what the replica sends is damaged: a packet's head is damaged");
  });
});

describe("a replica's server", () => {
  test("has no more than so many requests of a connection in hand, and reads on when they are answered", async () => {
    const held: (() => void)[] = [];
    const inHand = new Told<number>();
    const server = await listen({
      replica: {
        handle(request, answer) {
          held.push(() => answerAtOnce(request, answer));
          inHand.add(held.length);
        },
      },
    });
    const link = open(server.port);
    await link.up();
    const count = REQUESTS_IN_HAND_MAX * 3;
    for (let seq = 1; seq <= count; seq++) link.link.send(append(seq, makeFrame(Buffer.alloc(1000))));
    await inHand.find((n) => n === REQUESTS_IN_HAND_MAX);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(held.length).toBe(REQUESTS_IN_HAND_MAX);
    for (let done = 0; done < count; done++) {
      await inHand.find((n) => n > done);
      held[done]();
    }
    await link.answer(count);
  });

  test("keeps one connection of a process: a new one replaces the older", async () => {
    const server = await listen();
    const older = open(server.port, { writer: 5 });
    await older.up();
    older.link.send(append(1, null));
    const other = open(server.port, { writer: 6 });
    await other.up();
    const newer = open(server.port, { writer: 5 });
    await newer.up();
    expect(await server.disconnected()).toBe("the same process has connected again");
    older.link.close();
    newer.link.send(append(2, null));
    await newer.answer(2);
    expect(other.told.all.map(({ kind }) => kind)).toEqual(["up"]);
  });

  test("has so many connections, and tells those beyond why they are refused", async () => {
    const server = await listen();
    const links: ToldLink[] = [];
    for (let writer = 1; writer <= REPLICA_CONNECTIONS_MAX; writer++) links.push(open(server.port, { writer }));
    for (const link of links) await link.up();
    const late = open(server.port, { writer: 1000 });
    const words = `the replica has ${REPLICA_CONNECTIONS_MAX} connections, and takes no more`;
    expect(await late.down()).toContain(`the replica refuses: ${words}`);
    expect(await server.told.find(({ kind }) => kind === "refused")).toEqual({ kind: "refused", reason: words });
    links[0].link.close();
    await late.up();
  });

  test("that cannot listen says so", async () => {
    const server = await listen();
    await expect(listen({ port: server.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("ends a connection that sends a damaged frame, and its replica hears nothing of it", async () => {
    const received: ReplicaRequest[] = [];
    const server = await listen({ replica: { handle: (request) => received.push(request) } });
    const link = open(server.port);
    await link.up();
    const frame = makeFrame(Buffer.alloc(1000));
    frame[500] ^= 1;
    link.link.send(append(1, frame));
    expect(await server.disconnected()).toBe("what it sends is damaged: a packet brings a damaged frame");
    expect(received).toEqual([]);
    await link.down();
  });

  test("ends a connection that asks nothing for long", async () => {
    const clock = new ManualClock();
    const server = await listen({ clock });
    const link = open(server.port);
    await link.up();
    await clock.advance(60_000);
    expect(await server.disconnected()).toBe("it asks nothing for 30 s");
  });

  test("answers nobody who has gone", async () => {
    const held = new Told<() => void>();
    const server = await listen({
      replica: {
        handle: (request, answer: (answer: ReplicaAnswer) => void) => held.add(() => answerAtOnce(request, answer)),
      },
    });
    const link = open(server.port);
    await link.up();
    link.link.send(append(1, null));
    const answer = await held.find(() => true);
    link.link.close();
    await server.disconnected();
    expect(answer).not.toThrow();
  });
});
