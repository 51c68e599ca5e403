/** What goes over the network is another's from then on: the receiver sees no later write of the sender, and the sender none of his. */
import type { Trace } from "./trace.ts";

/** Copies an object with all that is in it: plain objects, arrays, bytes and what cannot change. Mixes it into the trace. */
export function copyMessage<T>(message: T, trace: Trace | null): T {
  // The copy has the shape of what was copied.
  return copy(message, trace) as T;
}

function copy(value: unknown, trace: Trace | null): unknown {
  switch (typeof value) {
    case "number":
      trace?.mixNumber(value);
      return value;
    case "string":
      trace?.mixText(value);
      return value;
    case "object":
      return copyObject(value, trace);
    case "boolean":
    case "bigint":
    case "undefined":
      trace?.mixText(String(value));
      return value;
    default:
      throw new TypeError(`a ${typeof value} does not go over a network`);
  }
}

function copyObject(value: object | null, trace: Trace | null): unknown {
  if (value === null) {
    trace?.mixNumber(0);
    return null;
  }
  if (value instanceof Uint8Array) {
    trace?.mixBytes(value);
    return Buffer.from(value);
  }
  if (Array.isArray(value)) {
    trace?.mixNumber(value.length);
    return value.map((each) => copy(each, trace));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError("only plain objects go over a network");
  }
  const copied: Record<string, unknown> = {};
  // Object.entries makes an array for each field.
  const source = value as Record<string, unknown>; // It is a plain object.
  for (const key of Object.keys(source)) copied[key] = copy(source[key], trace);
  return copied;
}
