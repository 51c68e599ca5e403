/**
 * The directory of a replica: made, locked against a second process, and not the one of something else. What is in it is the
 * replica's; LOCK holds the kernel's lock while a process owns the directory.
 */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { nodeDisk } from "../../journal/replica/disk.ts";
import type { FileLock } from "../../journal/replica/file-lock.ts";
import { DataDirError, takeLock } from "./data-dir.ts";

export interface ReplicaDir {
  /** Absolute. */
  readonly path: string;
  /** Call it after everything in it is closed. */
  readonly lock: FileLock;
}

/** Whose a directory is that holds a name such as this. */
const OWNERS: readonly (readonly [name: string, owner: string])[] = [
  ["identity.json", "a server of Plinth"],
  ["member", "etcd"],
];

/** @throws DataDirError when the path cannot be a directory, another process owns it, or it is that of a server */
export async function openReplicaDir(dataDir: string): Promise<ReplicaDir> {
  const directory = path.resolve(dataDir);
  let names: string[];
  try {
    await nodeDisk.makeDirectory(directory);
    names = await readdir(directory);
  } catch (error) {
    throw new DataDirError("ERR_DATA_DIR_UNUSABLE", `data directory ${directory} cannot be used`, { cause: error });
  }
  for (const [name, owner] of OWNERS) {
    if (!names.includes(name)) continue;
    const text = `data directory ${directory} holds data of ${owner}; a replica has one of its own`;
    throw new DataDirError("ERR_DATA_DIR_FOREIGN", text);
  }
  return { path: directory, lock: takeLock(directory) };
}
