/**
 * Varints of 64 bits, written forward into a place that is known to have room.
 *
 * A 64-bit value is handled as two 32-bit halves, because bitwise operators work on 32 bits and a BigInt allocates. A
 * negative int64 is its two's complement and takes ten bytes, as protobuf wants it.
 */

const TWO_32 = 2 ** 32;
const TWO_63 = 2 ** 63;
const TWO_64 = 2 ** 64;

/** Halves of the value split last, as int32: a result of two numbers without an allocation. */
let low = 0;
let high = 0;

const scratch = new DataView(new ArrayBuffer(8));

/** Beyond the range of int64 the nearest int64 is taken; a number has none in between that it could hold exactly. */
function splitInt64(value: number): void {
  if (value >= TWO_63) {
    low = -1;
    high = 0x7fffffff;
  } else if (value < -TWO_63) {
    low = 0;
    high = -0x80000000;
  } else {
    low = value | 0;
    high = Math.floor(value / TWO_32) | 0;
  }
}

function splitUint64(value: number): void {
  if (value >= TWO_64) {
    low = -1;
    high = -1;
  } else if (value < 0) {
    low = 0;
    high = 0;
  } else {
    low = value | 0;
    high = Math.floor(value / TWO_32) | 0;
  }
}

function splitId(value: bigint): void {
  scratch.setBigInt64(0, value, true);
  low = scratch.getInt32(0, true);
  high = scratch.getInt32(4, true);
}

/** @param value 32 bits, signed or unsigned; taken as unsigned */
export function uint32Size(value: number): number {
  const unsigned = value >>> 0;
  if (unsigned < 0x80) return 1;
  if (unsigned < 0x4000) return 2;
  if (unsigned < 0x200000) return 3;
  return unsigned < 0x10000000 ? 4 : 5;
}

function halvesSize(): number {
  if (high === 0) return uint32Size(low);
  const unsigned = high >>> 0;
  // Four bytes carry 28 bits of the low half, the fifth its last 4 bits and 3 of the high half; the rest has 29 bits.
  return unsigned < 8 ? 5 : 5 + uint32Size(unsigned >>> 3);
}

function putHalves(target: Uint8Array, at: number): number {
  if (high === 0) return putUint32(target, at, low);
  target[at] = low | 0x80;
  target[at + 1] = (low >>> 7) | 0x80;
  target[at + 2] = (low >>> 14) | 0x80;
  target[at + 3] = (low >>> 21) | 0x80;
  const fifth = (low >>> 28) | ((high & 7) << 4);
  const rest = high >>> 3;
  if (rest === 0) {
    target[at + 4] = fifth;
    return at + 5;
  }
  target[at + 4] = fifth | 0x80;
  return putUint32(target, at + 5, rest);
}

/**
 * @param value 32 bits, signed or unsigned; taken as unsigned
 * @returns the offset after it, as all `put` functions do
 */
export function putUint32(target: Uint8Array, at: number, value: number): number {
  let rest = value >>> 0;
  let next = at;
  while (rest > 0x7f) {
    target[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[next++] = rest;
  return next;
}

/** @param value an integer; beyond int64 the nearest int64 is taken */
export function int64Size(value: number): number {
  if (value >= 0 && value < TWO_32) return uint32Size(value);
  splitInt64(value);
  return halvesSize();
}

export function putInt64(target: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value < TWO_32) return putUint32(target, at, value);
  splitInt64(value);
  return putHalves(target, at);
}

/** @param value an integer; beyond uint64 the nearest uint64 is taken */
export function uint64Size(value: number): number {
  if (value >= 0 && value < TWO_32) return uint32Size(value);
  splitUint64(value);
  return halvesSize();
}

export function putUint64(target: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value < TWO_32) return putUint32(target, at, value);
  splitUint64(value);
  return putHalves(target, at);
}

/** @param value an int64 or a uint64: both have the same bytes */
export function idSize(value: bigint): number {
  splitId(value);
  return halvesSize();
}

export function putId(target: Uint8Array, at: number, value: bigint): number {
  splitId(value);
  return putHalves(target, at);
}
