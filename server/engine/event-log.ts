/**
 * What an operator is told of what happens to the store, one line each. Keys appear in it by their prefix alone, values
 * and passwords never.
 */

type Fields = Readonly<Record<string, unknown>>;

/** Who implements it bounds how often it is written: clients can bring about any of these events at any rate. */
export interface EventLog {
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
}

const PREFIX_BYTES_MAX = 64;
const NAME_LENGTH_MAX = 64;
const SLASH = 0x2f;

/**
 * The first two segments of a key's path, which say whose it is; never the last segment, which names one object.
 *
 *     /registry/pods/default/web-1   →   /registry/pods
 *     /registry/health               →   /registry
 *     my-secret                      →   (nothing)
 */
export function keyPrefix(key: Uint8Array): string {
  let end = 0;
  for (let i = 1, slashes = 0; i < key.length && i <= PREFIX_BYTES_MAX && slashes < 2; i++) {
    if (key[i] !== SLASH) continue;
    slashes++;
    end = i;
  }
  let text = "";
  for (let i = 0; i < end; i++) text += printable(key[i]);
  return text;
}

/** A name of a user or role, who may be called anything. */
export function shortName(name: string): string {
  return name.length <= NAME_LENGTH_MAX ? name : `${name.slice(0, NAME_LENGTH_MAX)}…`;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** A duration as etcd writes it, and Go reads it: `29.6ms`, `1.204s`. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds * 10) / 10}ms`;
  return `${Math.round(milliseconds) / 1_000}s`;
}
