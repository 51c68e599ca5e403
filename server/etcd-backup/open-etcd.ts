/**
 * Opens what an import begins with: a snapshot of etcd, or the data directory of one that has ended. Whatever cannot be imported is
 * refused here, or by the plan (import-plan.ts), with a sentence, before anything is touched; nothing is ever written to it.
 */
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { BoltError } from "../bolt/bolt-error.ts";
import { FileBytes } from "../bolt/byte-source.ts";
import type { ByteSource } from "../bolt/byte-source.ts";
import { SHA256_BYTES, sha256Of } from "../bolt/sha256-of.ts";
import { EtcdDatabase } from "./etcd-database.ts";
import { EtcdRefusal } from "./etcd-refusal.ts";
import { readWalTail } from "./wal.ts";

/** A file whose length is so much more than a multiple of this has a trailer: etcd's own rule. */
const SECTOR_BYTES = 512;

const WAY_OUT = "start that etcd once, save a snapshot with `etcdctl snapshot save`, and import that";

export interface OpenedEtcd {
  readonly path: string;
  readonly kind: "snapshot" | "data directory";
  /** Whether all bytes were compared with a checksum: a data directory has none, and a snapshot that was copied from one. */
  readonly isChecksummed: boolean;
  readonly database: EtcdDatabase;
  close(): void;
}

/** @throws EtcdRefusal */
export function openEtcd(from: string): OpenedEtcd {
  const info = statSync(from, { throwIfNoEntry: false });
  if (info === undefined) throw new EtcdRefusal(`there is no ${from}`);
  return info.isDirectory() ? openDirectory(from) : openSnapshot(from);
}

/** Gives an error of what is below the names of files the name of the one that was opened. */
export function refusalOf(from: string, error: unknown): unknown {
  const isOurs = error instanceof EtcdRefusal || error instanceof BoltError;
  return isOurs ? new EtcdRefusal(`${from} cannot be imported: ${error.message}`, { cause: error }) : error;
}

function openSnapshot(from: string): OpenedEtcd {
  if (path.basename(from) === "db" && path.basename(path.dirname(from)) === "snap") {
    throw new EtcdRefusal(
      `${from} is a part of a data directory, whose write-ahead log may have more: name the directory`,
    );
  }
  return opened(from, "snapshot", from, (file) => {
    const extra = file.length % SECTOR_BYTES;
    if (extra !== 0 && extra !== SHA256_BYTES) {
      throw new EtcdRefusal(`it has ${file.length} bytes, as no snapshot has: it has been cut, or is something else`);
    }
    if (extra === 0) return { source: file, isChecksummed: false };
    const length = file.length - SHA256_BYTES;
    checkTrailer(file, length);
    return { source: { length, read: (target, position) => file.read(target, position) }, isChecksummed: true };
  });
}

function openDirectory(from: string): OpenedEtcd {
  const [snap, wal] = [path.join(from, "member", "snap"), path.join(from, "member", "wal")];
  const db = path.join(snap, "db");
  if (!existsSync(db)) throw new EtcdRefusal(`${from} is no data directory of etcd: there is no member/snap/db in it`);
  if (!existsSync(wal))
    throw new EtcdRefusal(`${from} is no whole data directory of etcd: there is no member/wal in it`);
  refuseInUse(from, [db, ...readdirSync(wal).map((name) => path.join(wal, name))]);
  const directory = opened(from, "data directory", db, (source) => ({ source, isChecksummed: false }));
  try {
    checkWhole(snap, wal, directory.database.consistentIndex);
    return directory;
  } catch (error) {
    directory.close();
    throw refusalOf(from, error);
  }
}

/** Whether the database has all that the member has acknowledged. */
function checkWhole(snap: string, wal: string, index: number): void {
  const { lastIndex, changesFrom, changes } = readWalTail(wal, index);
  if (changesFrom !== null) {
    throw new EtcdRefusal(
      `its database has the changes up to entry ${index}, and ${changes} more are in its write-ahead log alone, ` +
        `from entry ${changesFrom} to ${lastIndex}: ${WAY_OUT}`,
    );
  }
  if (lastIndex < index)
    throw new EtcdRefusal(`its write-ahead log ends at entry ${lastIndex}, before its database, at ${index}`);
  const received = readdirSync(snap).find(
    (name) => name.endsWith(".snap.db") && Number(`0x${name.slice(0, 16)}`) > index,
  );
  if (received !== undefined) throw new EtcdRefusal(`it was receiving ${received} from another member: ${WAY_OUT}`);
}

/** Where the kernel tells of locks: etcd has one on its database and one on its log. */
function refuseInUse(from: string, files: readonly string[]): void {
  let locks: string;
  try {
    locks = readFileSync("/proc/locks", "latin1");
  } catch {
    // Where there is no such file nothing is known: the log tells at least what the database lacks.
    return;
  }
  // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:10718197 0 EOF
  const locked = new Set(Array.from(locks.matchAll(/ [0-9a-f]+:[0-9a-f]+:(\d+) /g), ([, inode]) => inode));
  const used = files.find((file) => locked.has(String(statSync(file, { bigint: true }).ino)));
  if (used !== undefined) throw new EtcdRefusal(`${from} is in use: a process has a lock on ${used}; stop that etcd`);
}

interface Content {
  readonly source: ByteSource;
  readonly isChecksummed: boolean;
}

function opened(
  from: string,
  kind: OpenedEtcd["kind"],
  name: string,
  contentOf: (file: FileBytes) => Content,
): OpenedEtcd {
  const file = new FileBytes(name);
  try {
    const { source, isChecksummed } = contentOf(file);
    return { path: from, kind, isChecksummed, database: new EtcdDatabase(source), close: () => file.close() };
  } catch (error) {
    file.close();
    throw refusalOf(from, error);
  }
}

function checkTrailer(file: ByteSource, length: number): void {
  const trailer = Buffer.alloc(SHA256_BYTES);
  file.read(trailer, length);
  if (!sha256Of(file, length).equals(trailer))
    throw new EtcdRefusal("its bytes are not those that its SHA-256 was made of: it is damaged");
}
