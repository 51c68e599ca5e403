import { afterAll, expect, test } from "vitest";
import { parseConfig } from "../../../server/config/config.ts";
import { ConfigError } from "../../../server/config/settings.ts";
import { readTokenKeys } from "../../../server/config/token-keys.ts";
import { TokenKeyFolder } from "../../support/token-keys.ts";

const folder = new TokenKeyFolder();

afterAll(() => folder.remove());

function parse(text: string) {
  return parseConfig([`--auth-token=${text}`], {});
}

test("tokens are simple, or JSON web tokens with their options", () => {
  expect(parse("simple")).toMatchObject({ config: { jwt: null } });
  expect(parse("jwt,pub-key=p,priv-key=k,sign-method=RS256,ttl=10m")).toMatchObject({
    config: { jwt: { method: "RS256", publicKeyFile: "p", privateKeyFile: "k", ttlMs: 600_000 } },
    warnings: [],
  });
  expect(parse("jwt,sign-method=HS512,priv-key=k")).toMatchObject({
    config: { jwt: { method: "HS512", publicKeyFile: null, privateKeyFile: "k", ttlMs: 300_000 } },
  });
  expect(parse("jwt,sign-method=EdDSA,pub-key=p,color=red")).toMatchObject({
    warnings: ['--auth-token: unknown JWT option "color"'],
  });
});

test.each([
  ["jwt", "sign-method is one of RS256, RS384"],
  ["jwt,sign-method=RS255", "sign-method is one of RS256, RS384"],
  ["jwt,sign-method=none", "sign-method is one of RS256, RS384"],
  ["jwt,sign-method", '"sign-method" is not name=value'],
  ["jwt,sign-method=RS256,pub-key=a=b", '"pub-key=a=b" is not name=value'],
  ["jwt,sign-method=RS256,sign-method=RS256", "sign-method is given twice"],
  ["paseto", "there are simple and jwt"],
])("--auth-token=%s is refused: %s", (text, reason) => {
  expect(parse(text)).toMatchObject({
    kind: "error",
    message: expect.stringContaining(`for flag -auth-token: auth: invalid auth options: ${reason}`),
  });
});

test("a time that is none is refused by its own text", () => {
  expect(parse("jwt,sign-method=RS256,ttl=soon")).toMatchObject({
    message: 'invalid value "soon" for flag -auth-token: parse error',
  });
});

const [rsa, otherRsa, p256, ed] = ["RS256", "RS256", "ES256", "EdDSA"].map((method) => folder.pair(method));
const garbage = folder.file("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n");
const empty = folder.file("");

test.each<[string, string, string | null, string | null, string]>([
  ["no key", "RS256", null, null, "auth: missing key data"],
  ["empty files", "RS256", empty, empty, "auth: missing key data"],
  ["no secret", "HS256", rsa.publicKey, null, "auth: missing key data: priv-key is the secret"],
  ["keys of two pairs", "RS256", otherRsa.publicKey, rsa.privateKey, "auth: public and private keys don't match"],
  ["a key of another kind", "ES256", null, rsa.privateKey, "key is not a valid ECDSA private key"],
  ["a public key of another kind", "EdDSA", rsa.publicKey, null, "key is not a valid Ed25519 public key"],
  [
    "a curve of another method",
    "ES384",
    null,
    p256.privateKey,
    "the private key is not on the curve of ES384, secp384r1",
  ],
  ["half a key", "EdDSA", null, garbage, "the private key is not PEM of a key that is not encrypted"],
  ["a private key for the public one", "EdDSA", ed.privateKey, null, "pub-key has a private key"],
])("%s is refused, and nothing of a key is told", async (_, method, publicKeyFile, privateKeyFile, reason) => {
  const reading = readTokenKeys({ method, publicKeyFile, privateKeyFile, ttlMs: 1 });
  await expect(reading).rejects.toThrow(`--auth-token: ${reason}`);
  const error = await reading.catch((each: unknown) => each);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).cause).toBeUndefined();
});

test("a file that is not there is named", async () => {
  const reading = readTokenKeys({
    method: "EdDSA",
    publicKeyFile: null,
    privateKeyFile: `${ed.privateKey}-not`,
    ttlMs: 1,
  });
  await expect(reading).rejects.toThrow(`--auth-token: priv-key ${ed.privateKey}-not cannot be read: ENOENT`);
});
