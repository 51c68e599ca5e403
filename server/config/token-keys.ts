/** The keys that JSON web tokens are signed and verified with, read from the files of `--auth-token` and checked as etcd does. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { JwtSettings } from "./auth-token.ts";
import { ConfigError } from "./settings.ts";

export interface TokenKeys {
  readonly method: string;
  readonly ttlMs: number;
  /** PEM, or a secret; null where tokens are only verified. */
  readonly signWith: string | Buffer | null;
  readonly verifyWith: string | Buffer;
}

const PRIVATE_KEY = "PRIVATE KEY-----";

interface KeyKind {
  readonly name: string;
  readonly type: string;
  /** Null for those without. */
  readonly curve: string | null;
}

const RSA: KeyKind = { name: "RSA", type: "rsa", curve: null };
const CURVES: Readonly<Record<string, string>> = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };

/** @throws ConfigError that names what is wrong, and nothing of a key */
export async function readTokenKeys({ method, publicKeyFile, privateKeyFile, ttlMs }: JwtSettings): Promise<TokenKeys> {
  const publicBytes = await readKeyFile("pub-key", publicKeyFile);
  const privateBytes = await readKeyFile("priv-key", privateKeyFile);
  if (method.startsWith("HS")) {
    if (privateBytes === null) throw refused("auth: missing key data: priv-key is the secret");
    return { method, ttlMs, signWith: privateBytes, verifyWith: privateBytes };
  }
  const kind = kindOf(method);
  const signKey = privateBytes === null ? null : readKey(privateBytes, createPrivateKey, "private", kind, method);
  const given = publicBytes === null ? null : readKey(publicBytes, createPublicKey, "public", kind, method);
  const derived = signKey === null ? null : createPublicKey(signKey);
  if (given !== null && derived !== null && !given.equals(derived)) {
    throw refused("auth: public and private keys don't match");
  }
  const verifyKey = derived ?? given;
  if (verifyKey === null) throw refused("auth: missing key data");
  return {
    method,
    ttlMs,
    signWith: signKey === null ? null : signKey.export({ type: "pkcs8", format: "pem" }),
    verifyWith: verifyKey.export({ type: "spki", format: "pem" }),
  };
}

function kindOf(method: string): KeyKind {
  if (method === "EdDSA") return { name: "Ed25519", type: "ed25519", curve: null };
  const curve = CURVES[method];
  return curve === undefined ? RSA : { name: "ECDSA", type: "ec", curve };
}

function readKey(
  pem: Buffer,
  parse: (pem: Buffer) => KeyObject,
  which: "public" | "private",
  { name, type, curve }: KeyKind,
  method: string,
): KeyObject {
  // Of one the library would make the other.
  if (which === "public" && pem.includes(PRIVATE_KEY)) throw refused("pub-key has a private key");
  let key: KeyObject;
  try {
    key = parse(pem);
  } catch {
    // What is wrong with it may say what is in it.
    throw refused(`the ${which} key is not PEM of a key that is not encrypted`);
  }
  if (key.asymmetricKeyType !== type) throw refused(`key is not a valid ${name} ${which} key`);
  if (curve !== null && key.asymmetricKeyDetails?.namedCurve !== curve) {
    throw refused(`the ${which} key is not on the curve of ${method}, ${curve}`);
  }
  return key;
}

/** Null where there is none, or nothing in it. */
async function readKeyFile(option: string, path: string | null): Promise<Buffer | null> {
  if (path === null) return null;
  try {
    const bytes = await readFile(path);
    return bytes.length === 0 ? null : bytes;
  } catch (error) {
    throw refused(`${option} ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`);
  }
}

function refused(reason: string): ConfigError {
  return new ConfigError(`--auth-token: ${reason}`);
}
