/** An authority and its certificates for loopback, which last a day and are made by the openssl command. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsMaterial } from "../../../journal/quorum/tcp-link.ts";

export const opensslMissing = spawnSync("openssl", ["version"]).status !== 0;

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "plinth-authority-"));
  readonly #ca: Buffer;

  constructor() {
    this.#run("req", "-x509", ...NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/CN=replicas");
    this.#ca = readFileSync(join(this.#folder, "ca.pem"));
  }

  /** A certificate that is good for both ends. */
  issue(name: string): TlsMaterial {
    const at = (ending: string): string => join(this.#folder, `${name}.${ending}`);
    writeFileSync(at("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n");
    this.#run("req", "-new", ...NEW_KEY, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", `${name}.ext`];
    this.#run("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signing);
    return { cert: readFileSync(at("pem")), key: readFileSync(at("key")), ca: this.#ca };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #run(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: ["ignore", "ignore", "pipe"] });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
