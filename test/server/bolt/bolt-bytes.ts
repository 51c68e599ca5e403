/** bbolt files as bytes in memory: written from buckets, and read back into them. */
import { Buffer } from "node:buffer";
import { BoltFile } from "../../../server/bolt/bolt-file.ts";
import type { ByteSource } from "../../../server/bolt/byte-source.ts";
import { ChunkWriter } from "../../../server/bolt/chunk-writer.ts";
import { FileBuilder } from "../../../server/bolt/file-builder.ts";
import type { FileShape } from "../../../server/bolt/page-plan.ts";

/** Names and their elements, both in byte order. */
export type Buckets = readonly (readonly [
  name: string,
  elements: readonly (readonly [key: Buffer, value: Buffer])[],
])[];

/** Chunks of a length that has nothing to do with that of pages. */
const CHUNK_BYTES = 3_000;

export function boltBytes(buckets: Buckets, pageBytes?: number): Buffer {
  const shape = build(FileBuilder.planning(pageBytes), buckets);
  const chunks: Buffer[] = [];
  // All chunks are made in the same memory.
  const memory = Buffer.alloc(CHUNK_BYTES);
  const writer = new ChunkWriter({
    next: () => memory,
    take: (chunk, bytes) => void chunks.push(Buffer.from(chunk.subarray(0, bytes))),
  });
  const written = build(FileBuilder.writing(shape, writer, pageBytes), buckets);
  writer.end();
  const file = Buffer.concat(chunks);
  if (written.pages !== shape.pages || written.root !== shape.root || file.length !== shape.bytes) {
    throw new Error(`planned ${JSON.stringify(shape)}, written ${JSON.stringify(written)}, ${file.length} bytes`);
  }
  return file;
}

function build(builder: FileBuilder, buckets: Buckets): FileShape {
  for (const [name, elements] of buckets) {
    builder.begin(name);
    for (const [key, value] of elements) builder.add(key, value);
    builder.end();
  }
  return builder.finish();
}

export function readBolt(bytes: Buffer): Buckets {
  const file = new BoltFile(sourceOf(bytes));
  return file.bucketNames.map((name) => {
    const elements: [Buffer, Buffer][] = [];
    const cursor = file.cursor(name);
    while (cursor?.next() === true) elements.push([Buffer.from(cursor.key), Buffer.from(cursor.value)]);
    return [name, elements];
  });
}

export function sourceOf(bytes: Buffer): ByteSource {
  return {
    length: bytes.length,
    read: (target, position) => {
      if (position + target.length > bytes.length) throw new Error("read beyond the end");
      target.set(bytes.subarray(position, position + target.length));
    },
  };
}

/** All of them as one text that can be compared at once. */
export function textOf(buckets: Buckets): string {
  const lines = buckets.flatMap(([name, elements]) => [
    `[${name}]`,
    ...elements.map(([key, value]) => `${key.toString("latin1")}=${value.length}:${value.toString("latin1")}`),
  ]);
  return lines.join("\n");
}
