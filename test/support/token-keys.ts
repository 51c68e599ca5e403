/** Keys for JSON web tokens, as files and as the flag that names them. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const CURVES: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
const RSA_BITS = 2048;

export interface KeyFiles {
  readonly publicKey: string;
  readonly privateKey: string;
  readonly publicPem: string;
  readonly privatePem: string;
}

export class TokenKeyFolder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), "plinth-token-keys-"));
  #files = 0;

  /** A new pair for a method. */
  pair(method: string): KeyFiles {
    const { publicKey, privateKey } = pairOf(method);
    const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    return { publicKey: this.file(publicPem), privateKey: this.file(privatePem), publicPem, privatePem };
  }

  file(contents: string): string {
    const file = path.join(this.path, `key-${++this.#files}`);
    writeFileSync(file, contents);
    return file;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function pairOf(method: string) {
  if (method === "EdDSA") return generateKeyPairSync("ed25519");
  const namedCurve = CURVES[method];
  return namedCurve === undefined
    ? generateKeyPairSync("rsa", { modulusLength: RSA_BITS })
    : generateKeyPairSync("ec", { namedCurve });
}
