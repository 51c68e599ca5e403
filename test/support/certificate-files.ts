/** Certificates as files, as a server and a replica are given them. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Authority } from "../journal/quorum/certificates.ts";

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Files for who is called so, certified by an authority; gives their paths. */
export function issueFiles(folder: string, authority: Authority, name: string): CertificateFiles {
  const { cert, key, ca } = authority.issue(name);
  const write = (ending: string, content: string | Buffer): string => {
    const file = path.join(folder, `${name}.${ending}`);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  return { cert: write("crt", cert), key: write("key", key), ca: write("ca", ca) };
}

export function replicaFlags({ cert, key, ca }: CertificateFiles): string[] {
  return [`--cert-file=${cert}`, `--key-file=${key}`, `--trusted-ca-file=${ca}`];
}

export function serverFlags({ cert, key, ca }: CertificateFiles): string[] {
  return [`--journal-cert-file=${cert}`, `--journal-key-file=${key}`, `--journal-trusted-ca-file=${ca}`];
}
