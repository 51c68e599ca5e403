import { expect, test } from "vitest";
import { Passwords } from "../../server/passwords.ts";

test("a password matches its hash, and nothing else does", async () => {
  const passwords = new Passwords();
  for (const password of ["", "secret", "p".repeat(72), "größer"]) {
    const hash = await passwords.hash(password);
    expect(await passwords.matches(password, hash)).toBe(true);
    expect(await passwords.matches(`${password} `, hash)).toBe(false);
    expect(password === "" || !hash.includes(password)).toBe(true);
  }
});

test("two hashes of one password differ", async () => {
  const passwords = new Passwords();
  expect(await passwords.hash("secret")).not.toBe(await passwords.hash("secret"));
});

test("no password matches an empty hash", async () => {
  expect(await new Passwords().matches("", "")).toBe(false);
});

test("no more work is taken while too much of it waits", async () => {
  const passwords = new Passwords(2);
  const first = passwords.hash("first");
  expect(passwords.isBusy).toBe(false);
  const second = passwords.hash("second");
  expect(passwords.isBusy).toBe(true);
  await first;
  // Who counts the work that is done hears of it after the one who waits.
  await new Promise(setImmediate);
  expect(passwords.isBusy).toBe(false);
  await second;
});
