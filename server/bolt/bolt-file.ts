/**
 * Reads a bbolt file that nobody writes: which buckets it has, and the elements of each in key order. Whatever the bytes are, it
 * ends with a BoltError that names the place, and takes memory for a few pages.
 *
 * bbolt has checksums of its metas alone. What costs nothing is looked at on the way: that a page has its own number and one
 * kind, is met once and inside of the file, that elements lie without gaps, and that keys rise. Values may be anything.
 *
 * Buckets inside of buckets are refused, and so is a file that has none.
 */
import { Buffer } from "node:buffer";
import { BoltError } from "./bolt-error.ts";
import { BucketCursor } from "./bucket-cursor.ts";
import type { ByteSource } from "./byte-source.ts";
import {
  BUCKET_BYTES,
  CHECKSUM_AT,
  FIRST_PAGE,
  IS_BUCKET,
  MAGIC,
  META,
  META_END,
  metaChecksum,
  PAGE_BYTES_MAX,
  PAGE_BYTES_MIN,
  readUint64,
  VERSION,
} from "./layout.ts";
import { PageReader } from "./page-reader.ts";

/** A bucket is a number of one byte beside each page. etcd has ten. */
const BUCKETS_MAX = 250;

interface Meta {
  readonly pageBytes: number;
  readonly root: number;
  readonly pages: number;
  readonly transaction: number;
}

/** Where a bucket begins. */
interface Bucket {
  readonly number: number;
  readonly root: number;
  /** Its only leaf; null when it has pages. */
  readonly inline: Buffer | null;
}

export class BoltFile {
  readonly pageBytes: number;
  /** Pages of the file that count; what lies behind is room. */
  readonly pages: number;
  readonly #source: ByteSource;
  /** Which bucket has a page, as far as that was met. */
  readonly #owners: Uint8Array;
  readonly #buckets = new Map<string, Bucket>();

  /** @throws BoltError when it has no good meta page, or its list of buckets is damaged */
  constructor(source: ByteSource) {
    const { pageBytes, pages, root } = bestMeta(source);
    this.pageBytes = pageBytes;
    this.pages = pages;
    this.#source = source;
    this.#owners = new Uint8Array(pages);
    this.#readBuckets(root);
  }

  get bytes(): number {
    return this.pages * this.pageBytes;
  }

  /** In their order in the file. */
  get bucketNames(): readonly string[] {
    return [...this.#buckets.keys()];
  }

  /** Begins to read a bucket; null when there is none of that name. Of several walks over one each finds the same. */
  cursor(name: string): BucketCursor | null {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) return null;
    return this.#cursorOf(bucket, 0, `bucket ${JSON.stringify(name)}`);
  }

  #cursorOf({ number, root, inline }: Bucket, flags: number, what: string): BucketCursor {
    const reader = new PageReader(this.#source, this.pageBytes, this.pages, this.#owners, number);
    return new BucketCursor(reader, root, inline, flags, what);
  }

  #readBuckets(root: number): void {
    const cursor = this.#cursorOf({ number: 1, root, inline: null }, IS_BUCKET, "the list of buckets");
    while (cursor.next()) {
      const { key, value } = cursor;
      const name = key.toString("latin1");
      if (value.length < BUCKET_BYTES)
        throw new BoltError(`${cursor.place}: the bucket ${JSON.stringify(name)} is cut`);
      if (this.#buckets.size === BUCKETS_MAX) throw new BoltError(`there are more than ${BUCKETS_MAX} buckets`);
      const page = readUint64(value, 0);
      const inline = page === 0 ? Buffer.from(value.subarray(BUCKET_BYTES)) : null;
      this.#buckets.set(name, { number: this.#buckets.size + 2, root: page, inline });
    }
  }
}

function bestMeta(source: ByteSource): Meta {
  const first = readMeta(source, 0, 0);
  const second = first === null ? findSecond(source) : readMeta(source, first.pageBytes, 1);
  const [meta, other] =
    second !== null && second.transaction > (first?.transaction ?? -1) ? [second, first] : [first, second];
  if (meta === null) throw new BoltError("it is no bbolt file: neither of the first two pages is a meta page");
  if (other !== null && other.pageBytes !== meta.pageBytes)
    throw new BoltError("the meta pages have different page sizes");
  const { pageBytes, pages, root } = meta;
  const place = meta === second ? "page 1" : "page 0";
  if (pages * pageBytes > source.length) {
    const bytes = pages * pageBytes;
    throw new BoltError(`it has ${source.length} bytes of the ${bytes} that ${place} tells of: it has been cut`);
  }
  if (root < FIRST_PAGE || root >= pages)
    throw new BoltError(`${place}: there is no page ${root}, where buckets begin`);
  return meta;
}

/** The second meta lies behind a first one that does not tell how long it is. */
function findSecond(source: ByteSource): Meta | null {
  for (let pageBytes = PAGE_BYTES_MIN; pageBytes <= PAGE_BYTES_MAX; pageBytes *= 2) {
    const meta = readMeta(source, pageBytes, 1);
    if (meta?.pageBytes === pageBytes) return meta;
  }
  return null;
}

/** Null for one that is not good. */
function readMeta(source: ByteSource, position: number, page: number): Meta | null {
  if (position + META_END > source.length) return null;
  const bytes = Buffer.alloc(META_END);
  source.read(bytes, position);
  if (bytes.readUInt32LE(16) !== MAGIC || bytes.readBigUInt64LE(CHECKSUM_AT) !== metaChecksum(bytes)) return null;
  const version = bytes.readUInt32LE(20);
  if (version !== VERSION) throw new BoltError(`page ${page}: version ${version} of the file format is not known`);
  if (readUint64(bytes, 0) !== page || bytes.readUInt16LE(8) !== META) {
    throw new BoltError(`page ${page}: it does not say that it is the meta page ${page}`);
  }
  const pageBytes = bytes.readUInt32LE(24);
  const isPower = (pageBytes & (pageBytes - 1)) === 0;
  if (!isPower || pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX) {
    throw new BoltError(`page ${page}: ${pageBytes} is no page size`);
  }
  const [root, pages, transaction] = [readUint64(bytes, 32), readUint64(bytes, 56), readUint64(bytes, 64)];
  return { pageBytes, root, pages, transaction };
}
