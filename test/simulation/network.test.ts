import { expect, test } from "vitest";
import { FAIR, Network } from "../sim/world/network.ts";
import type { Weather } from "../sim/world/network.ts";
import { Node } from "../sim/world/node.ts";
import { World } from "../sim/world/world.ts";

const MESSAGES = 1_000;

interface Wire {
  readonly world: World;
  readonly network: Network;
  readonly a: Node;
  readonly b: Node;
  /** What b has taken, in order. */
  readonly taken: number[];
}

function wire(weather: Partial<Weather> = {}): Wire {
  const world = new World(7);
  const network = new Network(world, { ...FAIR, ...weather });
  const [a, b] = [new Node(world, "a"), new Node(world, "b")];
  const taken: number[] = [];
  network.attach(b, (message) => taken.push((message as { i: number }).i));
  return { world, network, a, b, taken };
}

async function sendMany(weather: Partial<Weather>): Promise<number[]> {
  const { world, network, a, taken } = wire(weather);
  for (let i = 0; i < MESSAGES; i++) {
    network.send(a, "b", { i });
    await world.until(world.nowMs + 0.1);
  }
  await world.until(world.nowMs + 1_000);
  return taken;
}

test("in fair weather all arrive, once and in order", async () => {
  expect(await sendMany({})).toEqual(Array.from({ length: MESSAGES }, (_, i) => i));
});

test("a share of messages is lost, doubled and reordered", async () => {
  const lost = await sendMany({ loss: 0.3 });
  expect(lost.length).toBeGreaterThan(MESSAGES * 0.6);
  expect(lost.length).toBeLessThan(MESSAGES * 0.8);
  const doubled = await sendMany({ duplication: 0.3 });
  expect(doubled.length).toBeGreaterThan(MESSAGES * 1.2);
  expect(new Set(doubled).size).toBe(MESSAGES);
  const reordered = await sendMany({ reorder: 0.5 });
  expect(reordered).not.toEqual(reordered.toSorted((x, y) => x - y));
  expect(new Set(reordered).size).toBe(MESSAGES);
});

test("a receiver sees no later write of the sender, and no other receiver", async () => {
  const { world, network, a, b } = wire({ duplication: 1 });
  const seen: string[] = [];
  network.attach(b, (message) => {
    const { nested } = message as { nested: { bytes: Buffer }[] };
    seen.push(nested[0].bytes.toString());
    nested[0].bytes.fill("x");
  });
  const bytes = Buffer.from("sealed");
  network.send(a, "b", { nested: [{ bytes }] });
  bytes.fill("y");
  await world.until(100);
  expect(seen).toEqual(["sealed", "sealed"]);
  expect(bytes.toString()).toBe("yyyyyy");
});

test("what is no plain object does not go over the network", () => {
  const { network, a } = wire();
  expect(() => network.send(a, "b", { map: new Map() })).toThrow("only plain objects");
  expect(() => network.send(a, "b", { act: () => undefined })).toThrow("a function");
});

test("a cut in one direction leaves the other", async () => {
  const { world, network, a, b, taken } = wire();
  const answers: object[] = [];
  network.attach(a, (message) => answers.push(message));
  network.cut("a", "b");
  network.send(a, "b", { i: 1 });
  network.send(b, "a", {});
  await world.until(10);
  expect(taken).toEqual([]);
  expect(answers).toHaveLength(1);
  network.heal("a", "b");
  network.send(a, "b", { i: 2 });
  await world.until(20);
  expect(taken).toEqual([2]);
});

test("what is under way when a cut comes is lost, or arrives when it heals", async () => {
  for (const heldByCut of [0, 1]) {
    const { world, network, a, taken } = wire({ heldByCut });
    network.send(a, "b", { i: 1 });
    network.part(["a"], ["b"]);
    network.send(a, "b", { i: 2 });
    await world.until(10);
    expect(taken).toEqual([]);
    network.healAll();
    await world.until(20);
    expect(taken).toEqual(heldByCut === 1 ? [1, 2] : []);
  }
});

test("a message to a name reaches who has it then, and an answer only who asked", async () => {
  const { world, network, a, b, taken } = wire({ lostByKill: 0 });
  const next = new Node(world, "b");
  const seen: string[] = [];
  network.send(a, "b", { i: 1 });
  network.send(a, b, { i: 2 });
  b.kill();
  network.attach(next, () => seen.push("next"));
  await world.until(10);
  expect(taken).toEqual([]);
  expect(seen).toEqual(["next"]);
});

test("what is under way from a process that is killed may be lost", async () => {
  for (const lostByKill of [0, 1]) {
    const { world, network, a, taken } = wire({ lostByKill });
    network.send(a, "b", { i: 1 });
    a.kill();
    network.send(a, "b", { i: 2 });
    await world.until(10);
    expect(taken).toEqual(lostByKill === 1 ? [] : [1]);
  }
});

test("each direction has a weather of its own", async () => {
  const { world, network, a, b, taken } = wire();
  const answers: object[] = [];
  network.attach(a, (message) => answers.push(message));
  network.setWeather({ loss: 1 }, "a", "b");
  network.setWeather({ delayMsMin: 50 }, "b", "a");
  network.send(a, "b", { i: 1 });
  network.send(b, "a", {});
  await world.until(49);
  expect(answers).toEqual([]);
  await world.until(100);
  expect(taken).toEqual([]);
  expect(answers).toHaveLength(1);
});

test("who calls a name hears when it is there, ends, and can be reached again", async () => {
  const { world, network, a, b } = wire();
  const heard: boolean[] = [];
  network.onReached(a, "b", (isUp) => heard.push(isUp));
  b.kill();
  await world.until(10);
  expect(heard).toEqual([false]);
  network.attach(new Node(world, "b"), () => undefined);
  await world.until(20);
  expect(heard).toEqual([false, true]);
  network.part(["a"], ["b"]);
  await world.until(30);
  network.heal("a", "b");
  await world.until(40);
  expect(heard).toEqual([false, true]);
  network.heal("b", "a");
  await world.until(50);
  expect(heard).toEqual([false, true, true]);
});

test("who is cut off from a name does not hear its end", async () => {
  const { world, network, a, b } = wire();
  network.onReached(a, "b", () => expect.unreachable());
  network.cut("b", "a");
  b.kill();
  network.heal("b", "a");
  await world.until(10);
});
