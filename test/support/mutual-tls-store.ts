/** Plinth with two ports for clients: one over mutual TLS, for those under test, and a plain one for those who look on. */
import { renameSync, copyFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { freePort, makePeerFolder } from "../../bench/peers/peer-process.ts";
import { Authority } from "../journal/quorum/certificates.ts";
import { startPlinth } from "./plinth-process.ts";
import { storeOf, type Store } from "./stores.ts";

export async function startMutualTlsPlinthStore(more: readonly string[] = []): Promise<Store> {
  const folder = makePeerFolder("plinth-certificates");
  const authority = new Authority();
  authority.issue("client");
  const removeFiles = async (): Promise<void> => {
    authority.remove();
    await rm(folder, { recursive: true, force: true });
  };
  const files = { cert: path.join(folder, "server.pem"), key: path.join(folder, "server.key") };
  let issued = 0;
  const rotate = (): string => {
    const name = `server-${++issued}`;
    authority.issue(name);
    const made = authority.filesOf(name);
    for (const kind of ["cert", "key"] as const) {
      copyFileSync(made[kind], `${files[kind]}.new`);
      renameSync(`${files[kind]}.new`, files[kind]);
    }
    return name;
  };
  rotate();
  const [port, securePort] = [await freePort(), await freePort()];
  const clientUrls = `https://127.0.0.1:${securePort}`;
  const flags = [
    `--listen-client-urls=http://127.0.0.1:${port},${clientUrls}`,
    `--cert-file=${files.cert}`,
    `--key-file=${files.key}`,
    `--trusted-ca-file=${authority.caFile}`,
    "--client-cert-auth",
    ...more,
  ];
  const plinth = await startPlinth({ port, flags }).catch(async (error: unknown) => {
    await removeFiles();
    throw error;
  });
  return {
    ...storeOf(plinth),
    get pid() {
      return plinth.pid;
    },
    clientUrls,
    tls: { ca: authority.caFile, ...authority.filesOf("client"), rotate },
    remove: async () => {
      await plinth.remove();
      await removeFiles();
    },
  };
}
