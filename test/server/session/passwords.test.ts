import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { LOOP_HASHER, ThreadHasher } from "../../../server/session/hasher.ts";
import type { Hasher } from "../../../server/session/hasher.ts";
import { isOld } from "../../../server/session/passwords.ts";
import type { PasswordCaller } from "../../../server/session/passwords.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { cheapPasswords, SCRYPT_OF_SECRET } from "../../support/passwords.ts";

function callerOf(user: string, connection: unknown, isWanted = (): boolean => true): PasswordCaller {
  return { user, connection, isWanted };
}

const caller = callerOf("alice", 1);

test("a password matches its hash, and nothing else does", async () => {
  const passwords = cheapPasswords();
  for (const password of ["", "secret", "p".repeat(72), "größer"]) {
    const hash = await passwords.hash(password, caller);
    assert(hash !== null, "a hash that is wanted is made");
    expect(await passwords.matches(password, hash, caller)).toBe(true);
    expect(await passwords.matches(` ${password}`, hash, caller)).toBe(false);
    expect(password === "" || !hash.includes(password)).toBe(true);
  }
});

test("a hash is a text as etcd has it", async () => {
  expect(await cheapPasswords({ cost: 5 }).hash("secret", caller)).toMatch(/^\$2a\$05\$[./A-Za-z0-9]{53}$/);
});

test("a hash that etcd has made is known, and so is one with another version of the text", async () => {
  // etcdctl user add amy:secret, with --bcrypt-cost=4.
  const hash = "$2a$04$gY1LQ0iEbOHUlT.OVjFmT.hp5VjKvVT3PDkjJ/bvNlVdIm9E0B.bK";
  const passwords = cheapPasswords();
  for (const minor of ["a", "b", "y"]) {
    expect(await passwords.matches("secret", hash.replace("$2a", `$2${minor}`), caller)).toBe(true);
    expect(await passwords.matches("secrets", hash.replace("$2a", `$2${minor}`), caller)).toBe(false);
  }
});

test("of a password count the first 72 bytes, whatever letters they are of", async () => {
  const passwords = cheapPasswords();
  for (const password of [
    "p".repeat(72),
    "ü".repeat(36),
    `p${"ü".repeat(36)}`,
    "𝄞".repeat(18),
    `ppp${"𝄞".repeat(18)}`,
  ]) {
    const hash = await passwords.hash(password, caller);
    assert(hash !== null, "a hash that is wanted is made");
    expect(await passwords.matches(`${password} and more of it`.repeat(9), hash, caller)).toBe(true);
    expect(await passwords.matches(`q${password}`, hash, caller)).toBe(false);
  }
});

test("what an earlier version has made of a password is known, and is to be made anew", async () => {
  const passwords = cheapPasswords();
  expect(await passwords.matches("secret", SCRYPT_OF_SECRET, caller)).toBe(true);
  expect(await passwords.matches("secrets", SCRYPT_OF_SECRET, caller)).toBe(false);
  expect(await passwords.matches("s".repeat(73), SCRYPT_OF_SECRET, caller)).toBe(false);
  expect([isOld(SCRYPT_OF_SECRET), isOld((await passwords.hash("secret", caller)) ?? "")]).toEqual([true, false]);
});

test("a text that is no hash matches nothing", async () => {
  const passwords = cheapPasswords();
  const hash = (await passwords.hash("", caller)) ?? "";
  const none = [
    "",
    "scrypt$",
    "scrypt$a",
    "scrypt$a$b",
    "$2a$10$",
    "$2a$99$" + hash.slice(7),
    hash.slice(0, 59),
    `${hash}.`,
  ];
  for (const text of none) expect([text, await passwords.matches("", text, caller)]).toEqual([text, false]);
});

test("a thread does what is asked of it, and another one does when that was given up", async () => {
  const hasher = new ThreadHasher();
  const hash = await hasher.hash("secret", 4);
  expect(await hasher.matches("secret", hash)).toBe(true);
  void hasher.hash("secret", 31);
  expect(hasher.drop()).toBe(true);
  expect(await hasher.matches("secrets", hash)).toBe(false);
  hasher.drop();
});

test("an order that ends the thread is refused, and the next one has another thread", async () => {
  const hasher = new ThreadHasher();
  // Cast: bcrypt throws at what is no number.
  await expect(hasher.hash("secret", "4" as unknown as number)).rejects.toThrow("Illegal arguments");
  const hash = await hasher.hash("secret", 4);
  expect(await hasher.matches("secret", hash)).toBe(true);
  // Cast: what cannot be sent to a thread.
  await expect(hasher.matches("secret", Symbol("hash") as unknown as string)).rejects.toThrow("could not be cloned");
  expect(await hasher.matches("secret", hash)).toBe(true);
  hasher.drop();
});

test("work that fails is told of, and who waits for it and for the next is answered", async () => {
  const failures: unknown[] = [];
  const error = new Error("no more threads");
  const hasher: Hasher = { ...LOOP_HASHER, matches: () => Promise.reject(error) };
  const passwords = cheapPasswords({ hasher, onFailed: (failure) => void failures.push(failure) });
  const outcomes = [passwords.matches("secret", "hash", caller), passwords.hash("secret", caller)];
  expect(await outcomes[0]).toBe(null);
  expect(await outcomes[1]).not.toBe(null);
  expect(failures).toEqual([error]);
});

test("work that nobody wants any more makes room for others", async () => {
  const clock = new ManualClock();
  let dropped = 0;
  const hasher: Hasher = {
    ...LOOP_HASHER,
    matches: () => new Promise(() => {}),
    drop: () => ++dropped > 0,
  };
  const passwords = cheapPasswords({ hasher, clock });
  let isWanted = true;
  const endless = passwords.matches(
    "secret",
    "hash",
    callerOf("alice", 1, () => isWanted),
  );
  const next = passwords.hash("secret", callerOf("bob", 2));
  await clock.advance(10_000);
  expect(dropped).toBe(0);
  isWanted = false;
  await clock.advance(1_000);
  expect([await endless, dropped]).toEqual([null, 1]);
  expect(await next).not.toBeNull();
});

test("two hashes of one password differ", async () => {
  const passwords = cheapPasswords();
  expect(await passwords.hash("secret", caller)).not.toBe(await passwords.hash("secret", caller));
});

test("no password matches an empty hash", async () => {
  expect(await cheapPasswords().matches("", "", caller)).toBe(false);
});

test("a client with many wrong passwords delays only its own", async () => {
  const passwords = cheapPasswords();
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
  const passwords = cheapPasswords({ waitingMax: 10, perUserMax: 2 });
  const first = passwords.hash("worked on", caller);
  const flood = Array.from({ length: 4 }, () => passwords.hash("password", caller));
  expect(await Promise.all(flood.slice(2))).toEqual([null, null]);
  const other = passwords.hash("password", callerOf("alice", 2));
  expect(await flood[1]).toBe(null);
  expect(await Promise.all([first, flood[0], other])).not.toContain(null);
});

test("what nobody waits for any more when its turn comes is not worked on", async () => {
  const passwords = cheapPasswords();
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
