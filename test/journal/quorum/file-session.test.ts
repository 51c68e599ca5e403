/** Files beside a replica, asked for over a connection of their own: what comes, what is refused, and what a cut leaves. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { JournalError } from "../../../journal/journal.ts";
import { FILE_CONNECTIONS_MAX, FILE_PIECE_BYTES } from "../../../journal/limits.ts";
import type { FileKeeper } from "../../../journal/quorum/file-connection.ts";
import {
  BEGIN,
  decodePositions,
  encodeFilePacket,
  encodePositions,
  FILE_PACKET_BYTES_MAX,
  FilePacketReader,
  WRITE,
} from "../../../journal/quorum/file-packet.ts";
import { FileSession } from "../../../journal/quorum/file-session.ts";
import type { FileIntake, FileStore } from "../../../journal/quorum/file-store.ts";
import { encodeGreeting } from "../../../journal/quorum/greeting.ts";
import { systemClock } from "../../../server/clock.ts";
import { IDENTITY, ToldLink, ToldServer } from "./tcp-pair.ts";

class StoreError extends Error {
  readonly code = "ERR_STORE";
  readonly isDamage: boolean;

  constructor(message: string, isDamage: boolean) {
    super(message);
    this.isDamage = isDamage;
  }
}

/** Keeps files in memory, and what became of those that were begun. */
class MemoryStore implements FileStore {
  readonly files = new Map<number, { readonly mark: Buffer; readonly bytes: Buffer }>();
  readonly abandoned: number[] = [];
  /** What a write waits for. */
  hold: Promise<void> = Promise.resolve();
  failure: Error | null = null;

  list(): Promise<number[]> {
    return Promise.resolve([...this.files.keys()]);
  }

  mark(position: number): Promise<Buffer> {
    const file = this.files.get(position);
    return file === undefined ? Promise.reject(new StoreError("there is none", false)) : Promise.resolve(file.mark);
  }

  async read(position: number, offset: number): Promise<Buffer> {
    await this.mark(position);
    return this.files.get(position)?.bytes.subarray(offset, offset + FILE_PIECE_BYTES) ?? Buffer.alloc(0);
  }

  begin(position: number, mark: Buffer): Promise<FileIntake> {
    const pieces: Buffer[] = [];
    let isOver = false;
    return Promise.resolve({
      write: async (bytes) => {
        await this.hold;
        if (this.failure !== null) throw this.failure;
        pieces.push(Buffer.from(bytes));
      },
      complete: () => {
        isOver = true;
        this.files.set(position, { mark: Buffer.from(mark), bytes: Buffer.concat(pieces) });
        return Promise.resolve();
      },
      abandon: () => {
        if (!isOver) this.abandoned.push(position);
        return Promise.resolve();
      },
    });
  }

  remove(position: number): Promise<void> {
    this.files.delete(position);
    return Promise.resolve();
  }
}

class Keeper implements FileKeeper {
  files: MemoryStore | null = new MemoryStore();
  promised = 3;

  refusalOf(epoch: number): JournalError | null {
    if (epoch >= this.promised) return null;
    return new JournalError("ERR_JOURNAL_FENCED", `another has taken over (epoch ${this.promised})`);
  }
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(keeper: FileKeeper | null): Promise<ToldServer> {
  const server = await ToldServer.listen({ keeper });
  closers.push(() => server.server.close());
  return server;
}

async function session(port: number, epoch = 3, signal = new AbortController().signal): Promise<FileSession> {
  const address = { isSecure: false, host: "127.0.0.1", port };
  const common = { zone: "a", tls: null, identity: IDENTITY, writer: 5, clock: systemClock };
  const opened = await FileSession.open({ ...common, address, epoch, signal });
  closers.push(() => opened.close());
  return opened;
}

function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 2_654_435_761) >>> 13;
  return bytes;
}

async function give(files: FileSession, position: number, bytes: Buffer): Promise<void> {
  const taking = await files.begin(position, Buffer.from(`mark of ${position}`));
  for (let at = 0; at < bytes.length; at += FILE_PIECE_BYTES)
    await taking.write(bytes.subarray(at, at + FILE_PIECE_BYTES));
  await taking.complete();
}

describe("a session for files", () => {
  test("gives, lists, reads and removes them, piece by piece, beside the links of frames", async () => {
    const keeper = new Keeper();
    const server = await serve(keeper);
    const link = new ToldLink(server.port, { writer: 5 });
    closers.push(() => link.link.close());
    await link.up();
    const files = await session(server.port);
    const bytes = bytesOf(2 * FILE_PIECE_BYTES + 77);
    await give(files, 10, bytes);
    await give(files, 20, Buffer.alloc(0));
    expect(await files.list()).toEqual([10, 20]);
    expect((await files.mark(10)).toString()).toBe("mark of 10");
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += FILE_PIECE_BYTES) pieces.push(await files.read(10, at));
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    await files.remove(10);
    expect(await files.list()).toEqual([20]);
    await expect(files.mark(10)).rejects.toThrow(/^tcp:\/\/127\.0\.0\.1:\d+: there is none$/);
    // A connection for files of the same process ends no other, and is told of to nobody.
    expect(link.told.all.map(({ kind }) => kind)).toEqual(["up"]);
    expect(server.told.all).toEqual([{ kind: "connected", writer: 5 }]);
  });

  test("may change nothing when a later reign is promised, and reads without any", async () => {
    const keeper = new Keeper();
    const server = await serve(keeper);
    await give(await session(server.port), 10, bytesOf(10));
    keeper.promised = 4;
    const late = await session(server.port);
    const acts = [() => late.list(), () => late.begin(20, Buffer.alloc(1)), () => late.remove(10)];
    for (const act of acts)
      await expect(act()).rejects.toMatchObject({
        code: "ERR_JOURNAL_FENCED",
        message: expect.stringContaining("(epoch 4)"),
      });
    const reader = await session(server.port, 0);
    expect(await reader.list()).toEqual([10]);
    expect(await reader.read(10, 0)).toEqual(bytesOf(10));
    await expect(reader.remove(10)).rejects.toMatchObject({ code: "ERR_JOURNAL_FENCED" });
    expect(keeper.files?.files.size).toBe(1);
  });

  test("is fenced in the midst of a file", async () => {
    const keeper = new Keeper();
    const server = await serve(keeper);
    const files = await session(server.port);
    const taking = await files.begin(10, Buffer.alloc(1));
    await taking.write(bytesOf(10));
    keeper.promised = 4;
    await expect(taking.complete()).rejects.toMatchObject({ code: "ERR_JOURNAL_FENCED" });
    expect(await (await session(server.port, 4)).list()).toEqual([]);
  });

  test("tells of bytes that are not right, of a disk that is full, and of a replica that is blank", async () => {
    const keeper = new Keeper();
    const server = await serve(keeper);
    const files = await session(server.port);
    const taking = await files.begin(10, Buffer.alloc(1));
    if (keeper.files !== null) keeper.files.failure = new StoreError("corrupt between offsets 0 and 9", true);
    await expect(taking.write(bytesOf(10))).rejects.toMatchObject({ code: "ERR_JOURNAL_CORRUPT", isDamage: true });
    if (keeper.files !== null) keeper.files.failure = new StoreError("no space is left on the disk", false);
    const full = await files.begin(11, Buffer.alloc(1));
    await expect(full.write(bytesOf(10))).rejects.toThrow("no space is left on the disk");
    keeper.files = null;
    await expect(files.list()).rejects.toThrow("the replica is blank");
  });

  test("leaves nothing half behind when it is cut, also while the disk has a piece in hand", async () => {
    const keeper = new Keeper();
    const store = keeper.files;
    const server = await serve(keeper);
    const first = await session(server.port);
    await (await first.begin(10, Buffer.alloc(1))).write(bytesOf(10));
    first.close();
    await expect.poll(() => store?.abandoned).toEqual([10]);
    const held = Promise.withResolvers<void>();
    if (store !== null) store.hold = held.promise;
    const stopping = new AbortController();
    const second = await session(server.port, 3, stopping.signal);
    const writing = (await second.begin(20, Buffer.alloc(1))).write(bytesOf(10));
    stopping.abort();
    await expect(writing).rejects.toThrow("this process stops");
    expect(store?.abandoned).toEqual([10]);
    held.resolve();
    await expect.poll(() => store?.abandoned).toEqual([10, 20]);
    expect(store?.files.size).toBe(0);
  });

  test("takes only what goes on with the file that was begun", async () => {
    const server = await serve(new Keeper());
    const socket = await greeted(server.port);
    const reader = new FilePacketReader();
    const ask = async (kind: number, position: number, offset: number): Promise<string> => {
      socket.write(encodeFilePacket({ kind, epoch: 3, position, offset, bytes: Buffer.from("x") }));
      const [chunk] = (await once(socket, "data")) as [Buffer];
      const packet = reader.push(chunk);
      return `${packet?.kind} ${packet?.bytes.toString()}`;
    };
    const refused = "19 no file was begun that goes on with this";
    expect(await ask(WRITE, 7, 0)).toBe(refused);
    expect(await ask(BEGIN, 7, 0)).toBe("17 ");
    expect(await ask(WRITE, 7, 5)).toBe(refused);
    expect(await ask(WRITE, 8, 0)).toBe(refused);
    expect(await ask(WRITE, 7, 0)).toBe("17 ");
    expect(await ask(WRITE, 7, 0)).toBe(refused);
    expect(await ask(99, 7, 0)).toBe("19 a request of kind 99 is not known here");
    // Two requests at once are none.
    const twice = encodeFilePacket({ kind: 1, epoch: 0, position: 0, offset: 0, bytes: Buffer.alloc(0) });
    socket.write(Buffer.concat([twice, twice]));
    await once(socket, "close");
  });

  test("is one of few at a replica", async () => {
    const server = await serve(new Keeper());
    for (let n = 0; n < FILE_CONNECTIONS_MAX; n++) await session(server.port);
    await expect(session(server.port)).rejects.toThrow("the replica has 8 connections for files, and takes no more");
  });

  test("says so where the process at the other end knows no files", async () => {
    // One of a former version greets as if it were a link of frames.
    const old = createServer((socket) =>
      socket.end(encodeGreeting({ identity: IDENTITY, zone: "a", writer: 0, reason: "", isForFiles: false })),
    );
    const port = await listening(old);
    await expect(session(port)).rejects.toThrow("its process is of a version that keeps no snapshots: update it");
    const none = await serve(null);
    await expect(session(none.port)).rejects.toThrow("the replica refuses: the replica keeps no files");
  });

  test("ends when what comes is damaged, or the other end is gone", async () => {
    const greeting = encodeGreeting({ identity: IDENTITY, zone: "a", writer: 0, reason: "", isForFiles: true });
    const damaged = encodeFilePacket({ kind: 17, epoch: 3, position: 0, offset: 0, bytes: Buffer.from("12345678") });
    damaged[35] ^= 1;
    for (const [answer, reason] of [
      [damaged, "a packet is damaged"],
      [Buffer.alloc(40, 0xff), "is outside of the limits"],
      [null, "the replica has ended the connection"],
    ] as const) {
      const server = createServer((socket) => {
        let asked = 0;
        socket.on("data", () => {
          if (asked++ === 0) socket.write(greeting);
          else if (answer === null) socket.end();
          else socket.write(answer);
        });
      });
      const files = await session(await listening(server));
      await expect(files.list()).rejects.toThrow(reason);
      await expect(files.list()).rejects.toThrow(reason);
    }
    await expect(session(1)).rejects.toThrow("ECONNREFUSED");
  });
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A socket that may ask for files. */
async function greeted(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  closers.push(() => socket.destroy());
  socket.write(encodeGreeting({ identity: IDENTITY, zone: "a", writer: 5, reason: "", isForFiles: true }));
  await once(socket, "data");
  return socket;
}

describe("a packet of files", () => {
  const packet = { kind: 5, epoch: 7, position: 2 ** 40, offset: 3 * FILE_PIECE_BYTES, bytes: bytesOf(1_000) };

  test("comes as it was sent, in whatever pieces", () => {
    const bytes = encodeFilePacket(packet);
    for (const step of [1, 3, 100, bytes.length]) {
      const reader = new FilePacketReader();
      let come = null;
      for (let at = 0; at < bytes.length; at += step) {
        expect(come).toBeNull();
        come = reader.push(bytes.subarray(at, at + step));
      }
      expect(come).toEqual(packet);
    }
    expect(decodePositions(encodePositions([1, 2 ** 50, 7]))).toEqual([1, 2 ** 50, 7]);
  });

  test("is refused with any bit turned, and before a byte is waited for that is beyond the limit", () => {
    const bytes = encodeFilePacket({ ...packet, bytes: Buffer.from("abc") });
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      let come: unknown = null;
      try {
        come = new FilePacketReader().push(damaged);
      } catch {
        // It is.
      }
      expect(come).toBeNull();
    }
    const long = Buffer.alloc(4);
    long.writeUInt32LE(FILE_PACKET_BYTES_MAX + 1);
    expect(() => new FilePacketReader().push(long)).toThrow("outside of the limits");
  });
});
