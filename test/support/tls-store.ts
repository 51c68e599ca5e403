/** A store that serves its clients over TLS, Plinth or etcd, and etcdctl as a client of it. */
import { freePort } from "../../bench/peers/peer-process.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import { readFileSync } from "node:fs";
import { etcdctl } from "./etcdctl.ts";
import type { ProgramEnding } from "./peer-program.ts";
import { startPlinth } from "./plinth-process.ts";
import type { Authority } from "../journal/quorum/certificates.ts";

export interface TlsStore {
  readonly port: number;
  readonly url: string;
  logLines(): readonly string[];
  remove(): Promise<void>;
}

/** @param flags all that are not about where it listens */
export async function startTlsStore(name: "plinth" | "etcd", flags: readonly string[], more = ""): Promise<TlsStore> {
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const all = [
    ...flags,
    `--listen-client-urls=${url}${more.replaceAll("PORT", String(port))}`,
    `--advertise-client-urls=${url}`,
  ];
  if (name === "plinth") {
    const plinth = await startPlinth({ port, flags: all });
    return { port, url, logLines: () => plinth.logLines, remove: () => plinth.remove() };
  }
  const etcd = await startEtcd({ port, flags: all });
  return {
    port,
    url,
    logLines: () => readFileSync(etcd.logFile, "utf8").split("\n"),
    remove: () => etcd.kill(),
  };
}

/** The flags of a server with this certificate, and those of the authority that it asks of clients. */
export function serverFlags(authority: Authority, name: string, asks: "clients" | "nobody"): string[] {
  const { cert, key } = authority.filesOf(name);
  const flags = [`--cert-file=${cert}`, `--key-file=${key}`];
  return asks === "clients" ? [...flags, `--trusted-ca-file=${authority.caFile}`, "--client-cert-auth"] : flags;
}

/** etcdctl with the certificate of this name, or with none. */
export function tlsEtcdctl(
  { url }: Pick<TlsStore, "url">,
  authority: Authority,
  name: string | null,
  args: readonly string[],
  trusted = authority.caFile,
): Promise<ProgramEnding> {
  const files = name === null ? null : authority.filesOf(name);
  const own = files === null ? [] : [`--cert=${files.cert}`, `--key=${files.key}`];
  return etcdctl(url, [`--cacert=${trusted}`, ...own, "--command-timeout=5s", "--dial-timeout=3s", ...args]);
}
