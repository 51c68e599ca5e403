/**
 * A version of a key as etcd's database has it:
 *
 *     key      17 bytes: revision, 8 bytes big endian | "_" | sub-revision, 8 bytes big endian; "t" behind it for a deletion
 *     value    KeyValue; of a deletion its key alone
 */
import { Buffer } from "node:buffer";
import { endOfKeyField, startOfKeyValue } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

const UNDERSCORE = 0x5f;
const TOMBSTONE = 0x74;
const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = 18;

export class RetainedEntry {
  key: Buffer;
  /** Its value is `kv[start .. end)`. */
  kv: EncodedKv = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly #versions: Versions;
  readonly #putKey = revisionKey(REVISION_BYTES);
  readonly #tombstoneKey = revisionKey(TOMBSTONE_BYTES);

  constructor(versions: Versions) {
    this.#versions = versions;
    this.key = this.#putKey;
  }

  read(ref: VersionRef): void {
    const versions = this.#versions;
    const isTombstone = versions.isTombstone(ref);
    const kv = versions.kv(ref);
    this.kv = kv;
    this.start = startOfKeyValue(kv);
    this.end = isTombstone ? endOfKeyField(kv, this.start) : kv.length;
    this.key = isTombstone ? this.#tombstoneKey : this.#putKey;
    writeRevision(this.key, versions.modRevision(ref), versions.subRevision(ref));
  }
}

function revisionKey(bytes: number): Buffer {
  const key = Buffer.alloc(bytes);
  key[8] = UNDERSCORE;
  if (bytes === TOMBSTONE_BYTES) key[REVISION_BYTES] = TOMBSTONE;
  return key;
}

function writeRevision(target: Buffer, revision: number, subRevision: number): void {
  target.writeUInt32BE(Math.floor(revision / 2 ** 32), 0);
  target.writeUInt32BE(revision % 2 ** 32, 4);
  target.writeUInt32BE(subRevision, 13);
}
