/** etcd's HashKV of a bucket `key`, as etcd's hash.go has it: the rules once more, without any thought of speed. */
import type { Buffer } from "node:buffer";
import { Buffer as Bytes } from "node:buffer";
import { Crc32c } from "../../../partitions/walk/crc32c.ts";

type Entries = readonly (readonly [key: Buffer, value: Buffer])[];

/** @param keyOf the key that an entry is about */
export function etcdHash(
  entries: Entries,
  compacted: number,
  revision: number,
  keyOf: (value: Buffer) => string,
): number {
  const kept = new Map<string, number>();
  for (const [i, [key, value]] of entries.entries()) {
    if (mainOf(key) > revision) continue;
    if (isTombstone(key)) kept.delete(keyOf(value));
    else kept.set(keyOf(value), i);
  }
  const keptAt = new Set(kept.values());
  const crc = new Crc32c();
  crc.update(Bytes.from("key"));
  for (const [i, [key, value]] of entries.entries()) {
    const main = mainOf(key);
    if (main > revision) continue;
    if (main <= compacted && keptAt.size > 0 && !keptAt.has(i)) continue;
    if (main === compacted && isTombstone(key)) continue;
    crc.update(key);
    crc.update(value);
  }
  return crc.value;
}

function mainOf(key: Buffer): number {
  return Number(key.readBigUInt64BE(0));
}

function isTombstone(key: Buffer): boolean {
  return key.length === 18;
}
