import { expect, test } from "vitest";
import { Network } from "../sim/world/network.ts";
import { Node } from "../sim/world/node.ts";
import { World } from "../sim/world/world.ts";

test("a timer is late by a little, and never early, on a clock that drifts", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const world = new World(seed);
    const { clock } = new Node(world, "a", { drift: 0.05 });
    const delayMs = world.between(0, 1_000);
    const beganMs = clock.nowMs();
    let tookMs: number | null = null;
    clock.after(delayMs, () => (tookMs = clock.nowMs() - beganMs));
    await world.until(2_000);
    expect(tookMs).toBeGreaterThanOrEqual(delayMs);
    expect(tookMs).toBeLessThan(delayMs + 25);
  }
});

test("clocks drift by up to what they are given, each by its own", async () => {
  const world = new World(1);
  const nodes = Array.from({ length: 50 }, (_, i) => new Node(world, `${i}`, { drift: 0.01 }));
  const before = nodes.map(({ clock }) => clock.nowMs());
  await world.until(1_000);
  const rates = nodes.map(({ clock }, i) => (clock.nowMs() - before[i]) / 1_000);
  expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.99);
  expect(Math.max(...rates)).toBeLessThanOrEqual(1.01);
  expect(new Set(rates).size).toBe(50);
});

test("a clock that is skewed runs so much faster, or slower", async () => {
  const world = new World(1);
  const nodes = [0.01, -0.01].map((skew) => new Node(world, `${skew}`, { drift: 0.001, skew }));
  const before = nodes.map(({ clock }) => clock.nowMs());
  await world.until(1_000);
  const [fast, slow] = nodes.map(({ clock }, i) => (clock.nowMs() - before[i]) / 1_000);
  expect(fast).toBeCloseTo(1.01, 2);
  expect(slow).toBeCloseTo(0.99, 2);
});

test("turns that are due come in an order that the dice decide", async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const world = new World(seed);
    const { turns } = new Node(world, "a");
    let order = "";
    for (const name of ["a", "b", "c"]) turns.later(() => (order += name));
    expect(order).toBe("");
    await world.until(1);
    orders.add(order);
  }
  expect(orders.size).toBe(6);
});

test("nothing of a paused process runs, its clock goes on, and what came for it waits", async () => {
  const world = new World(1);
  const node = new Node(world, "a");
  const seen: string[] = [];
  node.clock.after(1, () => seen.push("timer"));
  const cancelled = node.clock.after(1, () => seen.push("cancelled"));
  node.turns.later(() => seen.push("turn"));
  node.pause();
  const beganMs = node.clock.nowMs();
  await world.until(100);
  expect(seen).toEqual([]);
  expect(node.clock.nowMs() - beganMs).toBeCloseTo(100);
  node.resume();
  cancelled.cancel();
  await world.until(101);
  expect(seen.toSorted()).toEqual(["timer", "turn"]);
});

test("a process that goes on serves its sockets before its timers, or behind them", async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const world = new World(seed);
    const network = new Network(world);
    const [a, b] = [new Node(world, "a"), new Node(world, "b")];
    let order = "";
    network.attach(b, () => (order += "m"));
    b.clock.after(5, () => (order += "t"));
    network.send(a, "b", {});
    network.send(a, "b", {});
    b.pause();
    await world.until(50);
    b.resume();
    await world.until(51);
    orders.add(order);
  }
  expect([...orders].toSorted()).toEqual(["mmt", "tmm"]);
});

test("what waits keeps its place when the process is paused again", async () => {
  const world = new World(1);
  const node = new Node(world, "a");
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) node.after(1, "message", () => seen.push(i));
  node.pause();
  await world.until(10);
  node.resume();
  node.pause();
  await world.until(20);
  expect(seen).toEqual([]);
  node.resume();
  await world.until(30);
  expect(seen).toEqual([0, 1, 2, 3, 4]);
});

test("nothing of a killed process ever runs", async () => {
  const world = new World(1);
  const node = new Node(world, "a");
  let isTold = false;
  node.onKilled(() => (isTold = true));
  node.clock.after(1, () => expect.unreachable());
  node.pause();
  await world.until(5);
  node.kill();
  node.resume();
  node.turns.later(() => expect.unreachable());
  await world.until(10);
  expect(isTold).toBe(true);
});

test("a process that is stopped behind a look at its clock does the rest late, on what it saw", async () => {
  const world = new World(1);
  const network = new Network(world);
  const [a, b] = [new Node(world, "a", { stallChance: 1, stallMsMax: 500 }), new Node(world, "b")];
  let arrivedMs = 0;
  network.attach(b, () => (arrivedMs = world.nowMs));
  let sawMs = 0;
  let laterMs = 0;
  a.turns.later(() => {
    sawMs = a.clock.nowMs();
    network.send(a, "b", {});
    laterMs = a.clock.nowMs();
  });
  await world.until(1_000);
  expect(laterMs - sawMs).toBeGreaterThan(10);
  expect(arrivedMs).toBeGreaterThan(laterMs - sawMs);
});

test("a process that stands still by itself and is paused goes on when both are over", async () => {
  const world = new World(1);
  const node = new Node(world, "a");
  let ranMs = 0;
  node.stall(10);
  node.pause();
  node.turns.later(() => (ranMs = world.nowMs));
  await world.until(50);
  expect(ranMs).toBe(0);
  node.resume();
  await world.until(60);
  expect(ranMs).toBeGreaterThanOrEqual(50);
  node.stall(20);
  node.turns.later(() => (ranMs = world.nowMs));
  node.pause();
  node.resume();
  await world.until(100);
  expect(ranMs).toBeGreaterThanOrEqual(80);
});
