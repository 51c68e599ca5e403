/**
 * The data directory: made, locked against a second process, checked to be ours, and given an identity that stays.
 *
 *     LOCK            empty; holds the kernel's lock while a process owns the directory
 *     identity.json   {"format":1,"clusterId":"<16 hex digits>","memberId":"<16 hex digits>","journalMade":true}
 *                     and "journalClusterId" when the journal began under another cluster id
 *     UNFINISHED      empty; a command makes the directory of something else, and is not done while there is no identity.json
 *
 * `journalMade` is there as soon as a journal is: from then on a directory without one has lost it. Who removes LOCK gains
 * nothing, as the journal's own lock is on a file that the journal does not open without.
 *
 * Everything else in it belongs to others, who put it there after `openDataDir` has returned.
 */
import { randomBytes } from "node:crypto";
import { open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { nodeDisk } from "../../journal/replica/disk.ts";
import { lockFile, lockHolder, type FileLock } from "../../journal/replica/file-lock.ts";

/** The layout of the directory that this version writes and reads. */
export const DATA_DIR_FORMAT = 1;

/** Ids as etcd has them: 64 bits, not zero. Drawn once per directory. */
export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
}

export interface DataDir {
  /** Absolute. */
  readonly path: string;
  readonly identity: Identity;
  /** That of the journal: the cluster id, unless the directory has begun a new cluster. */
  readonly journalClusterId: bigint;
  /** True when this call made the identity, so the directory held no data before. */
  readonly created: boolean;
  /** A journal was made for it, which must be there. */
  readonly journalMade: boolean;
  /** Notes durably that a journal was made. Call it when that is durable. */
  noteJournal(): Promise<void>;
  /**
   * Takes the cluster id of the journal that others keep, durably.
   *
   * @throws DataDirError when the directory has served another one
   */
  adopt(journalClusterId: bigint): Promise<void>;
  /** Gives the directory another cluster id, durably: what it holds is not what clients have seen under the one before. */
  beginNewCluster(): Promise<void>;
  /** Gives the directory up. Call it after everything in it is closed. */
  close(): void;
}

/** A directory that cannot be used: what is wrong with which path, with a stable code. */
export class DataDirError extends Error {
  readonly code: DataDirErrorCode;

  constructor(code: DataDirErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DataDirError";
    this.code = code;
  }
}

export type DataDirErrorCode =
  | "ERR_DATA_DIR_UNUSABLE"
  | "ERR_DATA_DIR_LOCKED"
  | "ERR_DATA_DIR_FOREIGN"
  | "ERR_DATA_DIR_NEWER_FORMAT"
  | "ERR_DATA_DIR_CORRUPT";

const LOCK_NAME = "LOCK";
const IDENTITY_NAME = "identity.json";
/** Left by a crash while the identity was being written. */
const IDENTITY_DRAFT_NAME = "identity.json.tmp";
const UNFINISHED_NAME = "UNFINISHED";

/** What an unused directory may hold. A file system's root has `lost+found`. */
const IGNORED_NAMES: ReadonlySet<string> = new Set([LOCK_NAME, IDENTITY_DRAFT_NAME, "lost+found"]);

/** So may it hold what hides: storage servers and home directories put names such as `.snapshot` into it. */
const HIDDEN = ".";

/**
 * Opens the directory for this process, making it (mode 0700) when missing.
 *
 * @throws DataDirError when the path cannot be a directory, another process owns it, it holds something else than our
 *   data, a newer version wrote it, or its identity cannot be read
 */
export async function openDataDir(dataDir: string): Promise<DataDir> {
  const directory = path.resolve(dataDir);
  await makeDirectory(directory);
  const lock = takeLock(directory);
  try {
    const existing = await readIdentity(directory);
    let file = existing ?? (await createIdentity(directory));
    const rewrite = async (changed: Partial<IdentityFile>): Promise<void> => {
      file = { ...file, ...changed };
      await writeIdentity(directory, file);
      await nodeDisk.syncDirectory(directory);
    };
    // Also of one that was found: who wrote it may have been killed before its name was durable.
    await nodeDisk.syncDirectory(directory);
    return {
      path: directory,
      get identity() {
        return file.identity;
      },
      journalClusterId: file.journalClusterId,
      created: existing === null,
      journalMade: file.journalMade,
      async noteJournal() {
        if (!file.journalMade) await rewrite({ journalMade: true });
      },
      async adopt(id) {
        if (file.journalClusterId === id) return;
        if (id === 0n || id >= 2n ** 64n) {
          const text = `the journal is that of cluster ${id.toString(16)}, which is no id that a server of etcd can have`;
          throw new DataDirError("ERR_DATA_DIR_FOREIGN", text);
        }
        if (file.journalMade) {
          const [ours, theirs] = [file.journalClusterId, id].map(formatId);
          throw new DataDirError(
            "ERR_DATA_DIR_FOREIGN",
            `data directory ${directory} belongs to cluster ${ours}, and the journal is that of cluster ${theirs}`,
          );
        }
        await rewrite({ identity: { ...file.identity, clusterId: id }, journalClusterId: id });
      },
      beginNewCluster: () => rewrite({ identity: { ...file.identity, clusterId: randomId() } }),
      close: () => lock.release(),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A directory that is being filled, and is no data directory before that is done. */
export interface DataDirDraft {
  /** Absolute. */
  readonly path: string;
  readonly identity: Identity;
  /** Makes it one, durably: its journal is there. */
  complete(): Promise<void>;
  /** Call it after everything in it is closed. */
  close(): void;
}

/**
 * Begins a data directory with ids of its own, in a directory that is empty or missing. A start refuses it until it is complete.
 *
 * @throws DataDirError when the path cannot be a directory, or there is something in it
 */
export async function draftDataDir(dataDir: string): Promise<DataDirDraft> {
  const directory = path.resolve(dataDir);
  await makeDirectory(directory);
  const lock = takeLock(directory);
  const names = (await readdir(directory)).filter((name) => !IGNORED_NAMES.has(name));
  if (names.length > 0) {
    lock.release();
    if (names.includes(UNFINISHED_NAME)) throw unfinished(directory);
    const text = `${directory} is not empty (it holds ${JSON.stringify(names[0])}): a new data directory is made in one that is`;
    throw new DataDirError("ERR_DATA_DIR_FOREIGN", text);
  }
  const identity = { clusterId: randomId(), memberId: randomId() };
  const mark = path.join(directory, UNFINISHED_NAME);
  await writeFile(mark, "");
  await nodeDisk.syncDirectory(directory);
  return {
    path: directory,
    identity,
    async complete() {
      await writeIdentity(directory, { identity, journalClusterId: identity.clusterId, journalMade: true });
      await nodeDisk.syncDirectory(directory);
      await rm(mark);
    },
    close: () => lock.release(),
  };
}

function unfinished(directory: string): DataDirError {
  const text = `data directory ${directory} is not whole, as what made it was cut short: remove it, and make it anew`;
  return new DataDirError("ERR_DATA_DIR_FOREIGN", text);
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await nodeDisk.makeDirectory(directory);
    await readdir(directory);
  } catch (error) {
    throw new DataDirError("ERR_DATA_DIR_UNUSABLE", `data directory ${directory} cannot be used`, { cause: error });
  }
}

/** @throws DataDirError when another process has it */
export function takeLock(directory: string): FileLock {
  let lock: FileLock | null;
  try {
    lock = lockFile(path.join(directory, LOCK_NAME));
  } catch (error) {
    throw new DataDirError("ERR_DATA_DIR_UNUSABLE", `data directory ${directory} cannot be locked`, { cause: error });
  }
  if (lock === null) {
    const holder = lockHolder(path.join(directory, LOCK_NAME));
    const who = holder === null ? "another process" : `process ${holder}`;
    throw new DataDirError("ERR_DATA_DIR_LOCKED", `data directory ${directory} is in use by ${who}`);
  }
  return lock;
}

/** Refuses to move in with somebody else's files, first of all etcd's. */
async function checkUnused(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => !IGNORED_NAMES.has(name) && !name.startsWith(HIDDEN));
  if (names.includes(UNFINISHED_NAME)) throw unfinished(directory);
  if (names.includes("member")) {
    throw new DataDirError(
      "ERR_DATA_DIR_FOREIGN",
      `data directory ${directory} holds data of etcd, which is not read; choose another directory`,
    );
  }
  if (names.length > 0) {
    throw new DataDirError(
      "ERR_DATA_DIR_FOREIGN",
      `data directory ${directory} is not empty and was not made by Plinth (it holds ${JSON.stringify(names[0])})`,
    );
  }
}

/** What identity.json holds. */
interface IdentityFile {
  readonly identity: Identity;
  readonly journalClusterId: bigint;
  readonly journalMade: boolean;
}

/** Reads the identity, or null when there is none yet. */
async function readIdentity(directory: string): Promise<IdentityFile | null> {
  const file = path.join(directory, IDENTITY_NAME);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return null;
    }
    throw new DataDirError("ERR_DATA_DIR_CORRUPT", `${file} cannot be read`, { cause: error });
  }
  const fields = parseFields(text);
  const format = fields["format"];
  if (typeof format !== "number" || !Number.isSafeInteger(format) || format < 1) {
    throw new DataDirError("ERR_DATA_DIR_CORRUPT", `${file} names no format`);
  }
  // Checked before the rest, of which a newer format may have made something else.
  if (format > DATA_DIR_FORMAT) {
    throw new DataDirError(
      "ERR_DATA_DIR_NEWER_FORMAT",
      `data directory ${directory} has format ${format}; this version reads formats up to ${DATA_DIR_FORMAT}`,
    );
  }
  const clusterId = parseId(fields["clusterId"]);
  const memberId = parseId(fields["memberId"]);
  if (clusterId === null || memberId === null) {
    throw new DataDirError("ERR_DATA_DIR_CORRUPT", `${file} names no valid ids`);
  }
  const journalClusterId = "journalClusterId" in fields ? parseId(fields["journalClusterId"]) : clusterId;
  if (journalClusterId === null) {
    throw new DataDirError("ERR_DATA_DIR_CORRUPT", `${file} names no valid journalClusterId`);
  }
  // Not there: a version that did not note it yet, or a first start that was killed.
  return { identity: { clusterId, memberId }, journalClusterId, journalMade: fields["journalMade"] === true };
}

function parseFields(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What cannot be parsed has no fields; the caller reports the first one missing.
    return {};
  }
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function parseId(field: unknown): bigint | null {
  if (typeof field !== "string" || !/^[0-9a-f]{16}$/.test(field)) {
    return null;
  }
  const id = BigInt(`0x${field}`);
  return id === 0n ? null : id;
}

async function createIdentity(directory: string): Promise<IdentityFile> {
  await checkUnused(directory);
  const identity = { clusterId: randomId(), memberId: randomId() };
  const file = { identity, journalClusterId: identity.clusterId, journalMade: false };
  await writeIdentity(directory, file);
  return file;
}

/** Writes all of it or nothing: after a crash the file is complete or absent. Its name is not durable yet. */
async function writeIdentity(directory: string, file: IdentityFile): Promise<void> {
  const { identity, journalClusterId, journalMade } = file;
  const fields = {
    format: DATA_DIR_FORMAT,
    clusterId: formatId(identity.clusterId),
    memberId: formatId(identity.memberId),
    ...(journalClusterId === identity.clusterId ? {} : { journalClusterId: formatId(journalClusterId) }),
    ...(journalMade ? { journalMade } : {}),
  };
  const draft = path.join(directory, IDENTITY_DRAFT_NAME);
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(fields)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, path.join(directory, IDENTITY_NAME));
}

function formatId(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}

function randomId(): bigint {
  let id = 0n;
  while (id === 0n) {
    id = randomBytes(8).readBigUInt64BE();
  }
  return id;
}
