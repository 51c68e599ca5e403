/**
 * A version of a key as etcd's database has it:
 *
 *     key      17 bytes: revision, 8 bytes big endian | "_" | sub-revision, 8 bytes big endian; "t" behind it for a deletion
 *     value    KeyValue; of a deletion its key alone
 */
import { Buffer } from "node:buffer";
import { endOfKeyField, keyValueOffset } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

const UNDERSCORE = 0x5f;
const TOMBSTONE = 0x74;
const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = 18;

/** One object for all that are met. */
export class RetainedEntry {
  key: Buffer;
  /** How many bytes its value has. */
  valueBytes = 0;
  start = 0;
  readonly #versions: Versions;
  readonly #putKey = revisionKey(REVISION_BYTES);
  readonly #tombstoneKey = revisionKey(TOMBSTONE_BYTES);
  #ref: VersionRef = NO_VERSION;

  constructor(versions: Versions) {
    this.#versions = versions;
    this.key = this.#putKey;
  }

  /** Its value is the `valueBytes` of this that begin at `start`. Who only counts does not ask for it. */
  get kv(): EncodedKv {
    return this.#versions.kv(this.#ref);
  }

  read(ref: VersionRef): void {
    const versions = this.#versions;
    this.#ref = ref;
    const bytes = versions.kvBytes(ref);
    this.start = keyValueOffset(bytes);
    const isTombstone = versions.isTombstone(ref);
    this.valueBytes = isTombstone ? endOfKeyField(versions.kv(ref), this.start) - this.start : bytes - this.start;
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
