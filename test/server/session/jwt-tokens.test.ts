import { generateKeyPairSync } from "node:crypto";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Auth } from "../../../partitions/auth/auth.ts";
import type { User } from "../../../partitions/auth/auth.ts";
import { JWT_METHODS } from "../../../server/config/auth-token.ts";
import { readTokenKeys } from "../../../server/config/token-keys.ts";
import { JWT_KNOWN_MAX } from "../../../server/limits.ts";
import { JwtTokens } from "../../../server/session/jwt-tokens.ts";
import { TokenKeyFolder } from "../../support/token-keys.ts";

const TTL_MS = 600_000;
const folder = new TokenKeyFolder();
const auth = new Auth();
let amy: User;

beforeAll(() => {
  auth.addUser("amy", "hash");
  amy = auth.user("amy") as User;
});

afterAll(() => folder.remove());

async function tokensOf(
  method: string,
  publicKeyFile: string | null,
  privateKeyFile: string | null,
  wallMs = Date.now,
) {
  return JwtTokens.open(auth, wallMs, await readTokenKeys({ method, publicKeyFile, privateKeyFile, ttlMs: TTL_MS }));
}

/** One that somebody else with the key has made. */
function signed(key: string, claims: object, algorithm: "EdDSA" | "HS256" = "EdDSA"): string {
  return createSigner({ key, algorithm, noTimestamp: true })(claims);
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;

test.each(JWT_METHODS)(
  "a token of %s stands for its user, at the auth revision at which it was given",
  async (method) => {
    const secret = method.startsWith("HS") ? folder.file("a secret\n") : null;
    const pair = secret === null ? folder.pair(method) : null;
    const tokens = await tokensOf(method, pair?.publicKey ?? null, secret ?? pair?.privateKey ?? null);
    const token = tokens.assign(amy) ?? "";
    for (let i = 0; i < 2; i++) expect(tokens.identify(token)).toEqual({ name: "amy", authRevision: auth.revision });
    // Of another server with the same key, which only verifies where it can.
    const other = await tokensOf(method, pair?.publicKey ?? null, secret);
    expect(other.identify(token)).toEqual({ name: "amy", authRevision: auth.revision });
    expect(other.assign(amy) === null).toBe(secret === null);
    const [head, claims, signature] = token.split(".");
    const altered = Buffer.from(JSON.stringify({ username: "root", revision: 2 })).toString("base64url");
    const bad = [
      `${head}.${altered}.${signature}`,
      `${head}.${claims}.`,
      `${head}.${claims}`,
      `${token}.x`,
      claims,
      "",
    ];
    for (const text of bad) expect([text, tokens.identify(text)]).toEqual([text, null]);
  },
);

test("a token ends at its time, also when it is known", async () => {
  const { publicKey, privateKey, privatePem } = folder.pair("EdDSA");
  let nowMs = Date.now();
  const tokens = await tokensOf("EdDSA", publicKey, privateKey, () => nowMs);
  const claims = { username: "amy", revision: 2 };
  expect(tokens.identify(signed(privatePem, { ...claims, exp: inSeconds(-1) }))).toBeNull();
  expect(tokens.identify(signed(privatePem, { ...claims, exp: inSeconds(60), nbf: inSeconds(30) }))).toBeNull();
  expect(tokens.identify(signed(privatePem, claims))?.name).toBe("amy");
  const brief = signed(privatePem, { ...claims, exp: inSeconds(1) });
  expect(tokens.identify(brief)?.name).toBe("amy");
  nowMs += 5_000;
  // Its time is over by the clock that looks at what is known; the library has its own.
  await expect.poll(() => tokens.identify(brief), { timeout: 15_000 }).toBeNull();
});

test("a token of another key, of another method or of none is none", async () => {
  const { publicKey, publicPem } = folder.pair("EdDSA");
  const stranger = folder.pair("EdDSA");
  const tokens = await tokensOf("EdDSA", publicKey, null);
  const claims = { username: "root", revision: 2, exp: inSeconds(60) };
  expect(tokens.identify(signed(stranger.privatePem, claims))).toBeNull();
  // The public key is no secret, and must be none.
  const secret = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "der" }).toString("hex");
  expect(tokens.identify(signed(secret, claims, "HS256"))).toBeNull();
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  expect(tokens.identify(`${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`)).toBeNull();
  expect(tokens.identify(publicPem)).toBeNull();
});

test("claims that say nobody, or no revision that there can be, are none", async () => {
  const { publicKey, privateKey, privatePem } = folder.pair("EdDSA");
  const tokens = await tokensOf("EdDSA", publicKey, privateKey);
  for (const claims of [
    {},
    { username: "amy" },
    { revision: 2 },
    { username: 1, revision: 2 },
    { username: "amy", revision: "2" },
    { username: "amy", revision: -1 },
    { username: "amy", revision: 2 ** 48 },
    { username: "n".repeat(32_769), revision: 2 },
  ]) {
    expect([claims, tokens.identify(signed(privatePem, claims))]).toEqual([claims, null]);
  }
  expect(tokens.identify(signed(privatePem, { username: "amy", revision: 2.9 }))?.authRevision).toBe(2);
});

test("a token that is not known any more is looked at again", async () => {
  const secret = folder.file("secret");
  const tokens = await tokensOf("HS256", null, secret);
  const first = signed("secret", { username: "amy", revision: 2 }, "HS256");
  for (let i = 0; i <= JWT_KNOWN_MAX; i++) {
    const token = signed("secret", { username: "amy", revision: i }, "HS256");
    if (tokens.identify(token)?.authRevision !== i) throw new Error(`token ${i} is not known`);
  }
  expect(tokens.identify(first)).toEqual({ name: "amy", authRevision: 2 });
}, 60_000);
