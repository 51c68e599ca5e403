import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { Passwords } from "../../../server/session/passwords.ts";
import type { PasswordCaller } from "../../../server/session/passwords.ts";

function callerOf(user: string, connection: unknown, isWanted = (): boolean => true): PasswordCaller {
  return { user, connection, isWanted };
}

const caller = callerOf("alice", 1);

test("a password matches its hash, and nothing else does", async () => {
  const passwords = new Passwords();
  for (const password of ["", "secret", "p".repeat(72), "größer"]) {
    const hash = await passwords.hash(password, caller);
    assert(hash !== null, "a hash that is wanted is made");
    expect(await passwords.matches(password, hash, caller)).toBe(true);
    expect(await passwords.matches(`${password} `, hash, caller)).toBe(false);
    expect(password === "" || !hash.includes(password)).toBe(true);
  }
});

test("two hashes of one password differ", async () => {
  const passwords = new Passwords();
  expect(await passwords.hash("secret", caller)).not.toBe(await passwords.hash("secret", caller));
});

test("no password matches an empty hash", async () => {
  expect(await new Passwords().matches("", "", caller)).toBe(false);
});

test("a client with many wrong passwords delays only its own", async () => {
  const passwords = new Passwords();
  const hash = await passwords.hash("secret", caller);
  assert(hash !== null, "a hash that is wanted is made");
  const ended: string[] = [];
  const check = async (password: string, name: string, from: PasswordCaller): Promise<void> => {
    expect(await passwords.matches(password, hash, from)).toBe(password === "secret");
    ended.push(name);
  };
  const flood = Array.from({ length: 8 }, (_, i) => check("wrong", `flood ${i}`, callerOf("alice", 1)));
  const others = [
    check("secret", "another user", callerOf("bob", 2)),
    check("secret", "another user of the same connection", callerOf("carol", 1)),
    check("secret", "the same user from elsewhere", callerOf("alice", 3)),
  ];
  await Promise.all([...flood, ...others]);
  // One is worked on when the others come, and all have a turn before one has its second.
  expect(ended.slice(0, 5).toSorted()).toEqual([
    "another user",
    "another user of the same connection",
    "flood 0",
    "flood 1",
    "the same user from elsewhere",
  ]);
});

test("a password for which there is no place is refused, and so it is when it has to give way", async () => {
  const passwords = new Passwords(10, 2);
  const first = passwords.hash("worked on", caller);
  const flood = Array.from({ length: 4 }, () => passwords.hash("password", caller));
  expect(await Promise.all(flood.slice(2))).toEqual([null, null]);
  const other = passwords.hash("password", callerOf("alice", 2));
  expect(await flood[1]).toBe(null);
  expect(await Promise.all([first, flood[0], other])).not.toContain(null);
});

test("what nobody waits for any more when its turn comes is not worked on", async () => {
  const passwords = new Passwords();
  const hash = await passwords.hash("secret", caller);
  assert(hash !== null, "a hash that is wanted is made");
  let isWanted = true;
  const first = passwords.matches("secret", hash, caller);
  const impatient = callerOf("alice", 1, () => isWanted);
  const rest = [passwords.hash("secret", impatient), passwords.matches("secret", hash, impatient)];
  isWanted = false;
  expect(await first).toBe(true);
  expect(await Promise.all(rest)).toEqual([null, null]);
});
