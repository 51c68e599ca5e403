/** What a replica that stops, or dies, costs its writer: processes of their own, and real signals. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { LINK_SILENT_MS_MAX, UNSENT_BYTES_MAX } from "../../../journal/limits.ts";
import { encodeGreeting } from "../../../journal/quorum/greeting.ts";
import { encodeRequest } from "../../../journal/quorum/message-codec.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { append, IDENTITY, Told, ToldLink, ToldServer } from "./tcp-pair.ts";
import { makeFrame } from "./test-frames.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const FRAME_BYTES = 1024 * 1024;
const MEBIBYTE = 1024 * 1024;
/** Many times the limit. */
const COUNT = 400;

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function start(port = 0): Promise<{ child: ChildProcess; port: number }> {
  const main = join(import.meta.dirname, "replica-process-main.ts");
  const child = spawn(process.execPath, [main, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  endings.push(() => child.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, port: Number(line) };
}

/** Bytes of buffers that somebody holds. */
function heldBytes(): number {
  // What the first finds dead is swept beside the program, and counted when the second begins.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a writer's memory does not grow with a stopped replica, which goes on where it was when it is let go", async () => {
  const { child, port } = await start();
  const clock = new ManualClock();
  const { link, ...told } = ownLink(port, clock);
  await told.up();
  child.kill("SIGSTOP");
  const before = heldBytes();
  let most = 0;
  for (let seq = 1; seq <= COUNT; seq++) {
    link.send(append(seq, makeFrame(Buffer.alloc(FRAME_BYTES, seq))));
    await turns(2);
    if (seq % 40 === 0) most = Math.max(most, heldBytes() - before);
  }
  expect(most).toBeGreaterThan(UNSENT_BYTES_MAX / 2);
  expect(most).toBeLessThan(UNSENT_BYTES_MAX + 4 * MEBIBYTE);
  child.kill("SIGCONT");
  await told.answered(1);
  // The link has room again once what waited is written.
  for (let seq = COUNT + 1; !told.has(seq - 1) || seq === COUNT + 1; seq++) {
    link.send(append(seq, null));
    await turns(50);
  }
  expect(told.downs()).toEqual([]);
  expect(heldBytes() - before).toBeLessThan(UNSENT_BYTES_MAX / 2);
});

test("a replica that stays stopped is told to be down, costs nothing then, and is up again when it is let go", async () => {
  const { child, port } = await start();
  const clock = new ManualClock();
  const { link, ...told } = ownLink(port, clock);
  await told.up();
  child.kill("SIGSTOP");
  const before = heldBytes();
  for (let seq = 1; seq <= COUNT; seq++) link.send(append(seq, makeFrame(Buffer.alloc(FRAME_BYTES, seq))));
  await clock.advance(LINK_SILENT_MS_MAX);
  expect(told.downs()).toEqual([expect.stringContaining("says nothing for 10 s, and")]);
  await turns(10);
  for (let seq = 1; seq <= COUNT; seq++) link.send(append(seq, makeFrame(Buffer.alloc(FRAME_BYTES, seq))));
  expect(heldBytes() - before).toBeLessThan(4 * MEBIBYTE);
  // The kernel takes the connection, and nobody greets.
  await clock.advance(LINK_SILENT_MS_MAX);
  await expect.poll(() => told.downs().at(-1)).toContain("it has not greeted within 5 s");
  child.kill("SIGCONT");
  await expect
    .poll(async () => {
      await clock.advance(1000);
      return told.ups();
    })
    .toBe(2);
  link.send(append(COUNT + 1, null));
  await told.answered(COUNT + 1);
});

test("a replica that was killed is down at once, and up again when it was started again", async () => {
  const { child, port } = await start();
  const told = new ToldLink(port);
  endings.push(() => told.link.close());
  await told.up();
  child.kill("SIGKILL");
  expect(await told.down()).toContain(`tcp://127.0.0.1:${port}: `);
  const seen = told.told.all.length;
  await start(port);
  await told.up(seen);
  told.link.send(append(1, makeFrame(Buffer.alloc(FRAME_BYTES))));
  expect(await told.answer(1)).toMatchObject({ kind: "durable" });
});

test("a replica's memory does not grow with a writer that asks and does not read", async () => {
  const handled = new Told<number>();
  const server = await ToldServer.listen({
    replica: {
      handle({ seq }, answer) {
        const frames = [makeFrame(Buffer.alloc(FRAME_BYTES, seq))];
        answer({ kind: "fetched", seq, frames, first: 1, committed: 1, replicaId: 1 });
        handled.add(seq);
      },
    },
  });
  endings.push(() => server.server.close());
  const socket = connect(server.port, "127.0.0.1").pause();
  endings.push(() => socket.destroy());
  const before = heldBytes();
  socket.write(encodeGreeting({ identity: IDENTITY, zone: "a", writer: 1, reason: "", isForFiles: false }));
  for (let seq = 1; seq <= COUNT; seq++)
    socket.write(encodeRequest({ kind: "fetch", seq, epoch: 1, from: 1, to: 1 }).head);
  await handled.find((seq) => seq === COUNT);
  expect(heldBytes() - before).toBeLessThan(UNSENT_BYTES_MAX + 4 * MEBIBYTE);
});

/** A link whose answers are counted, and not kept. */
function ownLink(port: number, clock: ManualClock) {
  const told = new ToldLink(port, { clock });
  endings.push(() => told.link.close());
  const { all } = told.told;
  return {
    link: told.link,
    up: () => told.up(),
    answered: (seq: number) => told.answer(seq),
    has: (seq: number) => all.some((event) => event.kind === "answer" && event.answer.seq === seq),
    downs: () => all.flatMap((event) => (event.kind === "down" ? [event.why] : [])),
    ups: () => all.filter(({ kind }) => kind === "up").length,
  };
}
