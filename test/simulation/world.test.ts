import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { World } from "../sim/world/world.ts";
import { registerSystem } from "./register/register-system.ts";
import { randomFaults } from "./scenarios/random.ts";
import { simulate } from "./simulation.ts";

const execute = promisify(execFile);
const MAIN = `${import.meta.dirname}/main.ts`;
const SEED = 5;

async function hashOf(seed: number): Promise<string> {
  return (await simulate(registerSystem(), randomFaults, seed)).world.trace.hash;
}

test("a seed goes the same way twice in one process, and another one another way", async () => {
  const hash = await hashOf(SEED);
  expect(await hashOf(SEED)).toBe(hash);
  expect(await hashOf(SEED + 1)).not.toBe(hash);
});

test("a seed goes the same way in another process", async () => {
  const flags = [MAIN, `--seed=${SEED}`, "--runs=1", "--system=register", "--scenario=random", "--trace", "--lines=5"];
  const { stdout } = await execute(process.execPath, flags);
  expect(stdout).toContain(`trace ${await hashOf(SEED)}`);
});

test("what happens at one moment happens in the order in which it was made", async () => {
  const world = new World(1);
  const seen: string[] = [];
  world.after(2, "late", () => seen.push("late"));
  for (const name of ["a", "b", "c"]) world.after(1, name, () => seen.push(name));
  await world.until(10);
  expect(seen).toEqual(["a", "b", "c", "late"]);
  expect(world.nowMs).toBe(10);
});

test("promises go on as far as they can before the next event", async () => {
  const world = new World(1);
  const seen: string[] = [];
  const goOn = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    seen.push("promise");
  };
  world.after(0, "first", () => void goOn());
  world.after(0, "second", () => seen.push("event"));
  await world.until(1);
  expect(seen).toEqual(["promise", "event"]);
});

test("what was cancelled does not happen, also when it is due at the same moment", async () => {
  const world = new World(1);
  const seen: string[] = [];
  world.after(1, "first", () => second.cancel());
  const second = world.after(1, "second", () => seen.push("second"));
  await world.until(2);
  expect(seen).toEqual([]);
});

test("a world runs until something holds, and says so when it never will", async () => {
  const world = new World(1);
  let count = 0;
  const tick = (): void => {
    count += 1;
    if (count < 5) world.after(1, "tick", tick);
  };
  world.after(1, "tick", tick);
  await world.until(() => count === 3);
  expect(world.nowMs).toBe(3);
  await expect(world.until(() => count === 6)).rejects.toThrow("nothing more will happen");
});

test("what an event throws ends the world", async () => {
  const world = new World(1);
  world.after(1, "bad", () => {
    throw new Error("broken");
  });
  world.after(2, "never", () => expect.unreachable());
  await expect(world.until(5)).rejects.toThrow("broken");
});

test("what a promise throws that nobody waits for ends the world at that event", async () => {
  // In a process of its own, since such a promise ends a test run, too.
  const script = `
    import { World } from ${JSON.stringify(`${import.meta.dirname}/../sim/world/world.ts`)};
    const world = new World(1);
    world.after(1, "bad", () => void Promise.reject(new Error("broken")));
    world.after(2, "never", () => console.log("went on"));
    await world.until(5).catch((error) => console.log(error.message, "at", world.nowMs));`;
  const { stdout } = await execute(process.execPath, ["--input-type=module", "-e", script]);
  expect(stdout).toBe("broken at 1\n");
});
