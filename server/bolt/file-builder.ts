/**
 * Builds a bbolt file from buckets and their elements, both in the order of their names, in two walks over the same: one that
 * learns how many pages there will be and where the root is, which the first bytes of the file tell, and one that gives the file
 * from its first byte to its last. There is no temporary file, and what is kept is a few pages.
 *
 * No freelist is written: bbolt finds unused pages itself, and there are none.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ChunkWriter } from "./chunk-writer.ts";
import { BUCKET_BYTES, FIRST_PAGE, IS_BUCKET, writeUint64 } from "./layout.ts";
import { PagePlan } from "./page-plan.ts";
import type { FileShape } from "./page-plan.ts";
import { PageWriter } from "./page-writer.ts";
import { TreeBuilder } from "./tree-builder.ts";
import type { PageOutput, TreeRoot } from "./tree-builder.ts";

/** That of etcd's own files. */
export const WRITTEN_PAGE_BYTES = 4096;

export class FileBuilder {
  readonly #output: PageOutput;
  readonly #planned: FileShape | null;
  readonly #buckets: { readonly name: Buffer; readonly value: Buffer }[] = [];
  #tree: TreeBuilder | null = null;

  private constructor(output: PageOutput, planned: FileShape | null) {
    this.#output = output;
    this.#planned = planned;
  }

  /** For the first walk. */
  static planning(pageBytes: number = WRITTEN_PAGE_BYTES): FileBuilder {
    return new FileBuilder(new PagePlan(pageBytes), null);
  }

  /** For the second one. */
  static writing(shape: FileShape, to: ChunkWriter, pageBytes: number = WRITTEN_PAGE_BYTES): FileBuilder {
    const writer = new PageWriter(to, pageBytes);
    writer.metas(shape);
    return new FileBuilder(writer, shape);
  }

  /** Begins a bucket. */
  begin(name: string): void {
    assert(this.#tree === null, "a bucket begins when the one before it has ended");
    this.#buckets.push({ name: Buffer.from(name), value: EMPTY });
    this.#tree = new TreeBuilder(this.#output, true);
  }

  /** Adds an element whose value is `value[from .. to)`; both are copied. */
  add(key: Buffer, value: Buffer, from: number = 0, to: number = value.length): void {
    assert(this.#tree !== null, "elements are in a bucket");
    this.#tree.add(0, key, value, from, to);
  }

  /** Ends the bucket. */
  end(): void {
    const bucket = this.#buckets.pop();
    assert(this.#tree !== null && bucket !== undefined, "a bucket that ends has begun");
    this.#buckets.push({ name: bucket.name, value: bucketValue(this.#tree.finish()) });
    this.#tree = null;
  }

  /** The file ends. */
  finish(): FileShape {
    assert(this.#tree === null, "all buckets have ended");
    const tree = new TreeBuilder(this.#output, false);
    for (const { name, value } of this.#buckets) tree.add(IS_BUCKET, name, value, 0, value.length);
    const { page } = tree.finish();
    const { next, pageBytes } = this.#output;
    assert(page >= FIRST_PAGE && page < next, "the root is one of the pages");
    const planned = this.#planned;
    const isAsPlanned = planned === null || (planned.pages === next && planned.root === page);
    assert(isAsPlanned, "both walks have met the same elements");
    return { pages: next, root: page, bytes: next * pageBytes };
  }
}

/** Of a bucket that has not ended. */
const EMPTY = Buffer.alloc(0);

function bucketValue({ page, inline }: TreeRoot): Buffer {
  const value = Buffer.alloc(BUCKET_BYTES + (inline?.length ?? 0));
  writeUint64(value, page, 0);
  inline?.copy(value, BUCKET_BYTES);
  return value;
}
