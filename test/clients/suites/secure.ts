/** What our own programs share: a store that serves with mutual TLS too, and where the programs are. */
import path from "node:path";
import { commandThatMust } from "../command.ts";

export const PROGRAMS = path.join(import.meta.dirname, "..", "programs");

export const SECURE_ADDRESS = "127.0.0.1:2389";

/** Of a store that asks for certificates at one address and not at the other, with those that `makeCertificates` has made. */
export function secureFlags(folder: string): readonly string[] {
  return [
    `--listen-client-urls=http://127.0.0.1:2379,https://${SECURE_ADDRESS}`,
    `--cert-file=${path.join(folder, "server.pem")}`,
    `--key-file=${path.join(folder, "server.key")}`,
    `--trusted-ca-file=${path.join(folder, "ca.pem")}`,
    "--client-cert-auth",
  ];
}

export async function makeCertificates(folder: string): Promise<void> {
  await commandThatMust(["sh", path.join(PROGRAMS, "certificates.sh")], { folder });
}
