/** The two stores that suites run against, and the commands beside them. */
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { ensurePeer } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import { startPlinth } from "../support/plinth-process.ts";
import type { Store } from "./suite.ts";

export type StoreName = Store["name"];

/** Where every client looks unless told otherwise: in a network of their own nobody else is there. */
const PORT = 2379;

/**
 * Runs something while the store is there.
 *
 * @param flags of the store; null for none that runs
 * @param folder an empty one, for the commands
 */
export async function withStore<T>(
  name: StoreName,
  flags: readonly string[] | null,
  folder: string,
  use: (store: Store) => Promise<T>,
): Promise<T> {
  const commands = path.join(folder, "bin");
  await makeCommands(commands, name);
  const store: Store = { name, url: `http://127.0.0.1:${PORT}`, port: PORT, commands };
  if (flags === null) return use(store);
  const options = { port: PORT, flags };
  if (name === "etcd") {
    const etcd = await startEtcd(options);
    return use(store).finally(() => etcd.stop());
  }
  const plinth = await startPlinth(options);
  return use(store).finally(() => plinth.remove());
}

async function makeCommands(folder: string, name: StoreName): Promise<void> {
  await mkdir(folder, { recursive: true });
  const server =
    name === "etcd" ? await ensurePeer("etcd") : path.join(import.meta.dirname, "..", "..", "bin", "plinth");
  await symlink(server, path.join(folder, "etcd"));
  await symlink(await ensurePeer("etcdutl"), path.join(folder, "etcdutl"));
  // Since etcd 3.6 files are etcdutl's; tests that were written before ask etcdctl for them.
  const script = `#!/bin/sh
case "$*" in *"snapshot status"*)
  for file; do :; done
  exec '${await ensurePeer("etcdutl")}' snapshot status "$file" --write-out=json ;;
esac
exec '${await ensurePeer("etcdctl")}' "$@"
`;
  await writeFile(path.join(folder, "etcdctl"), script);
  await chmod(path.join(folder, "etcdctl"), 0o755);
}
