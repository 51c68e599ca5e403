/**
 * Values that tell who wrote them. On the wire a value is its short form and as many dots as it takes to its length, which
 * the short form names: `k2-17/40.....`. Histories have the short form.
 */
const PADDING = ".";

/** @param bytes its length; not less than it takes to say so */
export function longValue(id: string, bytes: number): { readonly short: string; readonly wire: Buffer } {
  const short = `${id}/${bytes}`;
  return { short, wire: Buffer.from(short.padEnd(bytes, PADDING), "latin1") };
}

/** The short form of a value, empty for an empty one, or a text that is none when the value is damaged. */
export function shortValue(wire: Buffer): string {
  const text = wire.toString("latin1");
  const short = /^[^.]*\/(\d+)/.exec(text)?.[0] ?? "";
  const bytes = Number(short.slice(short.indexOf("/") + 1));
  const isWhole = text.length === Math.max(bytes, short.length) && text === short.padEnd(bytes, PADDING);
  return isWhole ? short : `damaged value of ${wire.length} bytes: ${text.slice(0, 80)}`;
}
