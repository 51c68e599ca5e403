/** An authority and its certificates for loopback, which last a day and are made by the openssl command. */
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsMaterial } from "../../../journal/quorum/tcp-link.ts";

export const opensslMissing = spawnSync("openssl", ["version"]).status !== 0;

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "plinth-authority-"));
  readonly #ca: Buffer;

  /** @param above the authority that certifies this one, which otherwise does so itself */
  constructor(above: Authority | null = null) {
    const key = [...NEW_KEY, "-keyout", "ca.key"];
    if (above === null) {
      this.#run("req", "-x509", ...key, "-out", "ca.pem", "-days", "1", "-subj", "/CN=replicas");
    } else {
      this.#run("req", "-new", ...key, "-out", "ca.csr", "-subj", "/CN=between");
      writeFileSync(join(this.#folder, "ca.ext"), "basicConstraints=critical,CA:TRUE\n");
      const signing = ["-CA", above.caFile, "-CAkey", join(above.#folder, "ca.key"), "-CAcreateserial", "-days", "1"];
      this.#run("x509", "-req", "-in", "ca.csr", "-out", "ca.pem", ...signing, "-extfile", "ca.ext");
    }
    this.#ca = readFileSync(join(this.#folder, "ca.pem"));
  }

  get caFile(): string {
    return join(this.#folder, "ca.pem");
  }

  /** The files of a certificate that was issued. */
  filesOf(name: string): { readonly cert: string; readonly key: string } {
    return { cert: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
  }

  /** A file that lists these certificates as revoked, in DER. */
  revoke(...names: readonly string[]): string {
    const at = (name: string): string => join(this.#folder, name);
    const serials = names.map((name) => new X509Certificate(readFileSync(this.filesOf(name).cert)).serialNumber);
    const lines = serials.map((serial) => `R\t400101000000Z\t240101000000Z\t${serial}\tunknown\t/CN=revoked\n`);
    writeFileSync(at("index.txt"), lines.join(""));
    writeFileSync(
      at("ca.conf"),
      "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=1\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n",
    );
    this.#run("ca", "-gencrl", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-out", "crl.pem");
    this.#run("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der");
    return at("crl.der");
  }

  /** A certificate that is good for both ends. @param days how long it lasts: less than nothing for one that is over */
  issue(name: string, hosts = "DNS:localhost,IP:127.0.0.1,IP:::1", days = 1): TlsMaterial {
    const at = (ending: string): string => join(this.#folder, `${name}.${ending}`);
    writeFileSync(at("ext"), `subjectAltName=${hosts}\n`);
    this.#run("req", "-new", ...NEW_KEY, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signing = [
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      String(days),
      "-extfile",
      `${name}.ext`,
    ];
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
