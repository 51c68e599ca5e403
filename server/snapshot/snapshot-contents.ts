/**
 * What a snapshot says about itself, in the chunk of ordinal 0, which is written last: what its owner keeps beside the records,
 * and for each chunk how many records it has and the label of the first. Packed with msgpackr.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Packr } from "msgpackr";
import { CHUNK_HEADER_BYTES, headerOf } from "./chunk.ts";
import { CONTENTS_BYTES_MAX, LABEL_BYTES_MAX } from "./limits.ts";
import { corrupt } from "./snapshot-error.ts";

/** Objects stay objects, maps maps, bigints of 64 bits bigints, and bytes are copied from where they are read. */
const packr = new Packr({ useRecords: true, mapsAsObjects: false, copyBuffers: true });

/** What all chunks are together: counted by who writes them, and again by who reads them. */
export interface ChunkTotals {
  readonly chunks: number;
  readonly records: number;
  readonly recordBytes: number;
  readonly digest: string;
}

export class ChunkTally {
  #chunks = 0;
  #records = 0;
  #recordBytes = 0;
  readonly #hash = createHash("sha256");

  /** @param sealed as it lies in the file. Its header has a checksum of all the rest. */
  add(sealed: Buffer, count: number, bodyBytes: number): void {
    this.#chunks++;
    this.#records += count;
    this.#recordBytes += bodyBytes;
    this.#hash.update(headerOf(sealed));
  }

  /** Of all that was added. To be asked once. */
  totals(): ChunkTotals {
    return {
      chunks: this.#chunks,
      records: this.#records,
      recordBytes: this.#recordBytes,
      digest: this.#hash.digest("hex"),
    };
  }
}

/** Of one chunk, for who looks for a record. */
export interface ChunkEntry {
  readonly count: number;
  readonly label: Uint8Array;
}

export interface SnapshotContents {
  readonly position: number;
  readonly clusterId: string;
  readonly totals: ChunkTotals;
  /** In the order of their ordinals. */
  readonly entries: readonly ChunkEntry[];
  /** The owner's. */
  readonly meta: unknown;
}

/** Behind room for a chunk's header. */
export function packContents(contents: SnapshotContents): Buffer {
  const { position, clusterId, totals, entries, meta } = contents;
  assert(entries.length === totals.chunks, "each chunk has an entry");
  assert(
    entries.every(({ label }) => label.length <= LABEL_BYTES_MAX),
    "a label has a limit",
  );
  const counts = entries.map((entry) => entry.count);
  const labels = entries.map((entry) => entry.label);
  const packed = packr.pack({ position, clusterId, totals, counts, labels, meta });
  assert(packed.length <= CONTENTS_BYTES_MAX, "the contents of a snapshot have a limit");
  return Buffer.concat([Buffer.alloc(CHUNK_HEADER_BYTES), packed]);
}

/** @throws SnapshotError `ERR_SNAPSHOT_CORRUPT` */
export function unpackContents(path: string, body: Buffer): SnapshotContents {
  // What was written by this code and has the checksum that it was given is of this shape.
  const { counts, labels, ...rest } = packr.unpack(body) as Omit<SnapshotContents, "entries"> & {
    readonly counts: readonly number[];
    readonly labels: readonly Uint8Array[];
  };
  const { totals } = rest;
  if (counts.length !== totals.chunks || labels.length !== totals.chunks) {
    throw corrupt(path, "in its contents", "chunks and entries differ in number");
  }
  return { ...rest, entries: counts.map((count, index) => ({ count, label: labels[index] })) };
}
