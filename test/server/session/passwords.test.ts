import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { Passwords } from "../../../server/session/passwords.ts";

const wanted = (): boolean => true;

test("a password matches its hash, and nothing else does", async () => {
  const passwords = new Passwords();
  for (const password of ["", "secret", "p".repeat(72), "größer"]) {
    const hash = await passwords.hash(password, wanted);
    assert(hash !== null, "a hash that is wanted is made");
    expect(await passwords.matches(password, hash, wanted)).toBe(true);
    expect(await passwords.matches(`${password} `, hash, wanted)).toBe(false);
    expect(password === "" || !hash.includes(password)).toBe(true);
  }
});

test("two hashes of one password differ", async () => {
  const passwords = new Passwords();
  expect(await passwords.hash("secret", wanted)).not.toBe(await passwords.hash("secret", wanted));
});

test("no password matches an empty hash", async () => {
  expect(await new Passwords().matches("", "", wanted)).toBe(false);
});

test("no more work is taken while too much of it waits", async () => {
  const passwords = new Passwords(2);
  const first = passwords.hash("first", wanted);
  expect(passwords.isBusy).toBe(false);
  const second = passwords.hash("second", wanted);
  expect(passwords.isBusy).toBe(true);
  await first;
  // Who counts the work that is done hears of it after the one who waits.
  await new Promise(setImmediate);
  expect(passwords.isBusy).toBe(false);
  await second;
});

test("what nobody waits for any more when its turn comes is not worked on", async () => {
  const passwords = new Passwords();
  const hash = await passwords.hash("secret", wanted);
  assert(hash !== null, "a hash that is wanted is made");
  let isWanted = true;
  const first = passwords.matches("secret", hash, wanted);
  const rest = [passwords.hash("secret", () => isWanted), passwords.matches("secret", hash, () => isWanted)];
  isWanted = false;
  expect(await first).toBe(true);
  expect(await Promise.all(rest)).toEqual([null, false]);
});
