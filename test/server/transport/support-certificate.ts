/** A certificate for localhost that lasts a day, made by the openssl command. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecureTerms } from "../../../server/transport/socket/secure-front.ts";

export const opensslMissing = spawnSync("openssl", ["version"]).status !== 0;

export function makeCertificate(): { readonly cert: Buffer; readonly key: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "plinth-certificate-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  try {
    const what = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    const whom = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    execFileSync("openssl", ["req", ...what, ...whom, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Terms under which everybody is taken. */
export function termsOf(certificate: { readonly cert: Buffer; readonly key: Buffer }): SecureTerms {
  return {
    asksClients: false,
    fresh: () => Promise.resolve(certificate),
    refuse: () => null,
    userOf: () => null,
  };
}
