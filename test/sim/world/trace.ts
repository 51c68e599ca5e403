/**
 * What happened, as a running hash of all of it and the text of the last of it: two runs with one hash went the same way,
 * and the text is what a person reads of a run that failed.
 */
import { crc32 } from "node:zlib";

/** So many things are still known as text. */
export const TRACE_LINES = 2_000;

/** A thing that happened. The text is made when somebody asks for it, which in most runs nobody does. */
interface Entry {
  atMs: number;
  what: string;
  detail: unknown;
}

export class Trace {
  /** How many things happened. */
  count = 0;
  #low = 0x9e3779b9 | 0;
  #high = 0x85ebca6b | 0;
  readonly #entries: Entry[] = [];
  readonly #hashes = new Map<string, number>();
  readonly #double = new Float64Array(1);
  readonly #words = new Uint32Array(this.#double.buffer);

  /** Something that has one of a few names. */
  addNamed(atMs: number, what: string, detail: unknown = null): void {
    let hash = this.#hashes.get(what);
    if (hash === undefined) this.#hashes.set(what, (hash = crc32(what)));
    this.mixNumber(atMs);
    this.#mix(hash);
    this.#keep(atMs, what, detail);
  }

  /** @param detail shown behind it in the text; what is in it must not change any more, and is not in the hash */
  add(atMs: number, what: string, detail: unknown = null): void {
    this.mixNumber(atMs);
    this.mixText(what);
    this.#keep(atMs, what, detail);
  }

  mixNumber(number: number): void {
    this.#double[0] = number;
    this.#mix(this.#words[0]);
    this.#mix(this.#words[1]);
  }

  mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  mixBytes(bytes: Uint8Array): void {
    this.#mix(bytes.length);
    this.#mix(crc32(bytes));
  }

  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** The last things that happened, one a line. */
  lines(count = TRACE_LINES): string[] {
    const known = Math.min(count, this.#entries.length);
    return Array.from({ length: known }, (_, i) => {
      const { atMs, what, detail } = this.#entries[(this.count - known + i) % TRACE_LINES];
      const time = atMs.toFixed(3).padStart(12);
      return detail === null ? `${time}  ${what}` : `${time}  ${what} ${JSON.stringify(detail, shortened)}`;
    });
  }

  #keep(atMs: number, what: string, detail: unknown): void {
    const at = this.count % TRACE_LINES;
    this.count += 1;
    if (at === this.#entries.length) {
      this.#entries.push({ atMs, what, detail });
    } else {
      const entry = this.#entries[at];
      entry.atMs = atMs;
      entry.what = what;
      entry.detail = detail;
    }
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(((this.#high << 13) | (this.#high >>> 19)) ^ word, 0x5bd1e995);
  }
}

/** Bytes as their length and checksum. */
function shortened(this: Record<string, unknown>, key: string, json: unknown): unknown {
  // JSON.stringify has turned a Buffer into an object before it asks.
  const value = this[key];
  if (value instanceof Uint8Array) return `${value.length} B ${crc32(value).toString(16)}`;
  return typeof value === "bigint" ? String(value) : json;
}
