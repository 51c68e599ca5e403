/**
 * etcd's write-ahead log, as far as an import needs it: whether there is a change in it that the database does not have yet.
 *
 *     record    0  length of what follows, u64 little endian: 56 bits; 0x80 and the number of padding bytes in the top byte
 *               8  protobuf: 1 type, 2 CRC-32C, 3 data
 *                  padding to 8 bytes
 *
 *     types     1 metadata   2 Raft entry   3 state   4 CRC   5 snapshot
 *
 * The CRC runs on over the data of all records and files; a file begins with a record of the one so far. A length of 0 is the end of
 * what was written. An entry whose index was there already takes the place of that one and of all behind it.
 */
import type { Buffer } from "node:buffer";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { DecodeError } from "../../proto/decode-error.ts";
import { EMPTY_BYTES, Reader } from "../../proto/reader.ts";
import { Crc32c } from "../../partitions/walk/crc32c.ts";
import { EtcdRefusal } from "./etcd-refusal.ts";

const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

/** etcd's are 64 MiB long, and one record more. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024;

const RECORD_ENTRY = 2;
const RECORD_CRC = 4;

/** Of a Raft entry; others are about the members of the cluster. */
const ENTRY_NORMAL = 0;

const SECTOR_BYTES = 512;

/** What a request in an entry is, by its field in InternalRaftRequest, of those that change neither keys nor leases nor users. */
const HARMLESS: ReadonlySet<number> = new Set([
  1, // Its id.
  2, // Of the store that etcd had before version 3: attributes and the version of the cluster.
  3, // A range.
  100, // Its header.
  1012, // Logging in.
  1013, // Asking whether users are asked for.
  1300, // The version of the cluster,
  1301, // the attributes of a member,
  1302, // and a downgrade.
  9900,
]);

/** The last entry of the log, and the first one behind an index that changes what the database holds. */
export interface WalTail {
  readonly lastIndex: number;
  readonly changesFrom: number | null;
  readonly changes: number;
}

/**
 * Reads what comes behind `index`, in the files that may have it.
 *
 * @throws EtcdRefusal when the log is damaged, or does not go back so far
 */
export function readWalTail(directory: string, index: number): WalTail {
  const files = filesFrom(directory, index);
  // Which entries behind the index change something.
  const behind: boolean[] = [];
  let lastIndex = 0;
  const onEntry = (entryIndex: number, isChange: boolean): void => {
    lastIndex = entryIndex;
    if (entryIndex <= index) {
      behind.length = 0;
      return;
    }
    const at = entryIndex - index - 1;
    if (at > behind.length) throw new EtcdRefusal(`${directory}: there is no entry ${index + 1 + behind.length}`);
    behind.length = at;
    behind.push(isChange);
  };
  let crc: number | null = null;
  for (const [i, file] of files.entries()) crc = readFile(file, crc, i === files.length - 1, onEntry);
  const first = behind.indexOf(true);
  return {
    lastIndex,
    changesFrom: first === -1 ? null : index + 1 + first,
    changes: behind.filter((isChange) => isChange).length,
  };
}

/** From the last one that begins at the index or before it. */
function filesFrom(directory: string, index: number): string[] {
  const found = readdirSync(directory)
    .map((name) => NAME.exec(name))
    .filter((match) => match !== null)
    .map(([name, sequence, first]) => ({ name, sequence: Number(`0x${sequence}`), first: Number(`0x${first}`) }))
    .toSorted((a, b) => a.sequence - b.sequence);
  if (found.length === 0) throw new EtcdRefusal(`${directory} has no files of a write-ahead log`);
  const start = found.findLastIndex(({ first }) => first <= index);
  if (start === -1) {
    throw new EtcdRefusal(`${directory} begins at entry ${found[0].first}, and the database ends at ${index}`);
  }
  const used = found.slice(start);
  for (let i = 1; i < used.length; i++) {
    if (used[i].sequence !== used[i - 1].sequence + 1)
      throw new EtcdRefusal(`${directory}: a file is missing before ${used[i].name}`);
  }
  return used.map(({ name }) => path.join(directory, name));
}

/** Gives the CRC behind the file. */
function readFile(
  file: string,
  crcBefore: number | null,
  isLast: boolean,
  onEntry: (index: number, isChange: boolean) => void,
): number {
  if (statSync(file).size > FILE_BYTES_MAX) throw new EtcdRefusal(`${file} is longer than etcd makes one`);
  const bytes = readFileSync(file);
  let crc = new Crc32c(crcBefore ?? 0);
  let isBegun = crcBefore !== null;
  for (let at = 0; at + 8 <= bytes.length;) {
    const low = bytes.readUInt32LE(at);
    const high = bytes.readUInt32LE(at + 4);
    if (low === 0 && high === 0) break;
    const length = low + (high & 0xff_ffff) * 2 ** 32;
    const padding = high >>> 31 === 1 ? (high >>> 24) & 7 : 0;
    const start = at + 8;
    const end = start + length + padding;
    const record = end <= bytes.length ? tryRecord(bytes.subarray(start, start + length)) : null;
    if (record?.type === RECORD_CRC) {
      if (isBegun && record.crc !== crc.value)
        throw new EtcdRefusal(`${file} does not go on where the file before it ends`);
      crc = new Crc32c(record.crc);
      isBegun = true;
    } else {
      if (record !== null) crc.update(record.data);
      if (record === null || record.crc !== crc.value) {
        // What was being written when the machine lost its power was not promised to anybody.
        if (isLast && (end > bytes.length || isTorn(bytes, start, end))) break;
        throw new EtcdRefusal(`${file} is damaged at byte ${at}`);
      }
      if (record.type === RECORD_ENTRY) readEntry(record.data, onEntry);
    }
    at = end;
  }
  return crc.value;
}

interface WalRecord {
  readonly type: number;
  readonly crc: number;
  readonly data: Buffer;
}

/** Null for one that cannot be read. */
function tryRecord(bytes: Buffer): WalRecord | null {
  const record = { type: 0, crc: 0, data: EMPTY_BYTES };
  try {
    const reader = new Reader(bytes);
    while (reader.hasMore()) {
      const tag = reader.tag();
      if (tag === 0x08) record.type = reader.int64();
      else if (tag === 0x10) record.crc = reader.uint64();
      else if (tag === 0x1a) record.data = reader.view();
      else return null;
    }
    return record;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

/** Whether a sector of it was never written. */
function isTorn(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (bytes.subarray(at, sectorEnd).every((byte) => byte === 0)) return true;
    at = sectorEnd;
  }
  return false;
}

function readEntry(bytes: Buffer, onEntry: (index: number, isChange: boolean) => void): void {
  const reader = new Reader(bytes);
  let type = ENTRY_NORMAL;
  let index = 0;
  let data = EMPTY_BYTES;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x08) type = reader.int64();
    else if (tag === 0x18) index = reader.uint64();
    else if (tag === 0x22) data = reader.view();
    else reader.skip(tag);
  }
  onEntry(index, type === ENTRY_NORMAL && changesStore(data));
}

function changesStore(request: Buffer): boolean {
  try {
    const reader = new Reader(request);
    while (reader.hasMore()) {
      const tag = reader.tag();
      if (!HARMLESS.has(tag >>> 3)) return true;
      reader.skip(tag);
    }
    return false;
  } catch (error) {
    // What cannot be read may be anything.
    if (error instanceof DecodeError) return true;
    throw error;
  }
}
