import { beforeEach, expect, test } from "vitest";
import { Auth } from "../../../partitions/auth/auth.ts";
import type { User } from "../../../partitions/auth/auth.ts";
import { AuthTokens } from "../../../server/session/auth-tokens.ts";
import { AUTH_TOKENS_MAX } from "../../../server/limits.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const TTL_MS = 300_000;

let auth: Auth;
let clock: ManualClock;
let tokens: AuthTokens;

beforeEach(() => {
  auth = new Auth();
  auth.addUser("root", "root's hash");
  auth.grantRole("root", "root");
  auth.addUser("amy", "amy's hash");
  auth.enable();
  clock = new ManualClock();
  tokens = new AuthTokens(auth, clock, TTL_MS);
});

function user(name: string): User {
  const found = auth.user(name);
  if (found === null) throw new Error(`there is no ${name}`);
  return found;
}

function userOf(token: string): string | null {
  return tokens.identify(token)?.name ?? null;
}

test("a token stands for its user, and every token is another one", () => {
  const [first, second] = [tokens.assign(user("amy")), tokens.assign(user("amy"))];
  expect(first).not.toBe(second);
  expect([userOf(first), userOf(second), userOf("other")]).toEqual(["amy", "amy", null]);
});

test("a token ends when it was not used for its time, and each use begins that anew", async () => {
  const token = tokens.assign(user("amy"));
  for (let i = 0; i < 3; i++) {
    await clock.advance(TTL_MS);
    expect(userOf(token)).toBe("amy");
  }
  await clock.advance(TTL_MS + 1);
  expect(userOf(token)).toBeNull();
});

test("a token ends with its user's password, and with its user, even if there is one of the same name again", () => {
  const token = tokens.assign(user("amy"));
  auth.grantRole("amy", "root");
  expect(userOf(token)).toBe("amy");
  auth.changePassword("amy", "another hash");
  expect(userOf(token)).toBeNull();

  const second = tokens.assign(user("amy"));
  auth.deleteUser("amy");
  auth.addUser("amy", "yet another hash");
  expect(userOf(second)).toBeNull();
});

test("a token stays when another form of its user's password is kept", () => {
  const token = tokens.assign(user("amy"));
  auth.renewPassword("amy", "amy's hash", "another form");
  expect([userOf(token), user("amy").passwordHash]).toEqual(["amy", "another form"]);
});

test("all tokens end when authentication is disabled, and stay so when it is enabled again", () => {
  const token = tokens.assign(user("root"));
  auth.disable();
  auth.enable();
  expect(userOf(token)).toBeNull();
});

test("of too many tokens the one that lay unused longest goes", () => {
  const [first, second] = [tokens.assign(user("amy")), tokens.assign(user("amy"))];
  for (let i = 2; i < AUTH_TOKENS_MAX; i++) tokens.assign(user("amy"));
  expect(userOf(first)).toBe("amy");
  tokens.assign(user("amy"));
  expect([userOf(first), userOf(second)]).toEqual(["amy", null]);
});
