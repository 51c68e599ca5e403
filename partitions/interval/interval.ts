/**
 * Key intervals. Inside the keyspace a key is a latin1 string, one character a byte: lossless, usable in a Map, and the
 * order of such strings is the byte order of the keys.
 */

/** Lies behind every key, because no latin1 character is this large. */
export const END_OF_KEYS = "\u0100";

/** There is no key before it: an empty one stands for it where a client means all keys (WA-01). */
export const SMALLEST_KEY = Buffer.from([0]);

/** The keys `key` with `start <= key < end`; no keys when `end <= start`. */
export interface Interval {
  readonly start: string;
  readonly end: string;
}

export function keyString(key: Buffer): string {
  return key.toString("latin1");
}

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, "latin1");
}

/** The bound of an interval as bytes, or null for the end of all keys. */
export function boundBytes(bound: string): Buffer | null {
  return bound === END_OF_KEYS ? null : keyBytes(bound);
}

/** Whether `rangeEnd` asks for a single key. */
export function isSingleKey(rangeEnd: Buffer): boolean {
  return rangeEnd.length === 0;
}

/**
 * etcd's key and range_end as an interval: an empty end means the key alone, a single zero byte means all keys from
 * `key` on.
 */
export function intervalOf(key: Buffer, rangeEnd: Buffer): Interval {
  const start = keyString(key);
  if (rangeEnd.length === 0) return { start, end: `${start}\0` };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { start, end: END_OF_KEYS };
  return { start, end: keyString(rangeEnd) };
}

/** The first string behind every string that begins with `prefix`. */
export function prefixEnd(prefix: string): string {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i);
    if (code < 0xff) return prefix.slice(0, i) + String.fromCharCode(code + 1);
  }
  return END_OF_KEYS;
}
