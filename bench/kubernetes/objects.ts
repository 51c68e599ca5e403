/** The bytes of keys and values. A value begins with when its write was meant to begin, and with a number of its own. */

import type { Resource } from "./scale.ts";

const NAMESPACES = 100;
const NAMESPACE = "namespace-00/";
const DIGITS = "00000000";

/** Odd, so that no two of 2^32 objects get the same digits. It spreads neighbours over the key space. */
const SPREAD = 0x9e3779b1;

/** Makes the keys of a resource. */
export class ObjectKeys {
  readonly #memory: Buffer;
  readonly #namespaceEnd: number;
  readonly #digitsEnd: number;

  constructor({ prefix, stem, suffix, namespaced }: Resource) {
    const head = prefix + (namespaced ? NAMESPACE : "");
    this.#memory = Buffer.from(head + stem + DIGITS + suffix, "latin1");
    this.#namespaceEnd = namespaced ? head.length - 1 : 0;
    this.#digitsEnd = head.length + stem.length + DIGITS.length;
  }

  /** The key of object `i`, a view that holds until the next call. */
  key(i: number): Buffer {
    const memory = this.#memory;
    if (this.#namespaceEnd !== 0) {
      const namespace = i % NAMESPACES;
      memory[this.#namespaceEnd - 2] = 0x30 + Math.floor(namespace / 10);
      memory[this.#namespaceEnd - 1] = 0x30 + (namespace % 10);
    }
    let rest = Math.imul(i, SPREAD) >>> 0;
    for (let at = this.#digitsEnd - 1; at >= this.#digitsEnd - DIGITS.length; at--) {
      const digit = rest & 15;
      memory[at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      rest >>>= 4;
    }
    return memory;
  }
}

/*
 * A value:  "k8s\0" as Kubernetes' protobuf begins | f64 when meant, ms | f64 number | filling
 */
const INTENDED_AT = 4;
const NUMBER_AT = 12;
export const VALUE_BYTES_MIN = 20;

const VALUE_BYTES_MAX = 32_768;
const memory = Buffer.alloc(VALUE_BYTES_MAX);
for (let i = 0; i < VALUE_BYTES_MAX; i++) memory[i] = 0x61 + ((i * i + (i >>> 3)) % 26);
memory.write("k8s\0", 0, "latin1");

/** By their length: there are few, and a new view for each value costs more than its filling. */
const views = new Map<number, Buffer>();

/** A value of so many bytes, a view that holds until the next call. */
export function makeValue(bytes: number, intendedMs: number, number: number): Buffer {
  memory.writeDoubleLE(intendedMs, INTENDED_AT);
  memory.writeDoubleLE(number, NUMBER_AT);
  let view = views.get(bytes);
  if (view === undefined) {
    view = memory.subarray(0, bytes);
    views.set(bytes, view);
  }
  return view;
}

/** @param at where in `bytes` the value begins */
export function intendedMsOf(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + INTENDED_AT);
}

/** @param at where in `bytes` the value begins */
export function numberOf(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + NUMBER_AT);
}
