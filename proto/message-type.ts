/**
 * Codecs for the messages that are not hot: protobufjs does the work, and this turns its objects into ours.
 *
 * - A field's name is that of the .proto file with every `_x` turned into `X`: `compact_revision` is compactRevision. Names
 *   that etcd itself wrote in another case stay as they are: ID, TTL, grantedTTL, peerURLs, memberID, dbSize.
 * - 64-bit fields are bigint when they hold an id (see `ID_FIELDS`), else numbers: the nearest double beyond 2^53.
 * - bytes are Buffers, views into the input where that is a Buffer. Enums are numbers, unknown ones too.
 * - An embedded message, or a member of a oneof, that is not on the wire is null. All else has its zero value.
 *
 * Encoding takes the same objects; a field left out counts as zero.
 */
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { DecodeError } from "./decode-error.ts";
import { RARE_FIELDS_MAX } from "./limits.ts";
import { Reader } from "./reader.ts";
import { protobufjs, schema } from "./schema.ts";

export interface MessageType<Message> {
  /** Full name: `etcdserverpb.LeaseGrantRequest`. */
  readonly name: string;
  /** @throws DecodeError */
  decode(bytes: Uint8Array): Message;
  encode(message: Message): Buffer;
}

/** The 64-bit fields that hold an id: all 64 bits count, and it is no quantity. */
const ID_FIELDS = new Set(["ID", "clusterId", "memberId", "memberID", "targetID", "leader", "lease"]);

const WIRE_LENGTH = 2;

const TWO_32 = 2 ** 32;
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** A message as protobufjs has it, or as we do: a value for every field name. */
type Fields = Record<string, unknown>;

/** What protobufjs makes of a 64-bit field, and takes for one. */
interface Halves {
  low: number;
  high: number;
}

/**
 * @param name full name of a message in the .proto files; that there is none is noticed at the first use
 */
export function messageType<Message>(name: string): MessageType<Message> {
  let type: protobuf.Type | null = null;
  const lookUp = (): protobuf.Type => (type ??= schema().lookupType(name));
  return {
    name,
    decode(bytes): Message {
      // The caller says by `Message` what the .proto file says by its fields; a test compares the two.
      return fromWire(lookUp(), decodeFields(lookUp(), bytes)) as Message;
    },
    encode(message): Buffer {
      const encoded = lookUp()
        .encode(toWire(lookUp(), message as Fields))
        .finish();
      return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
    },
  };
}

/** The same for what clients send: one with too many fields is refused before protobufjs takes it apart. */
export function requestType<Message>(name: string): MessageType<Message> {
  const { decode, encode } = messageType<Message>(name);
  return {
    name,
    encode,
    decode(bytes): Message {
      // A field takes a byte at least.
      if (bytes.length > RARE_FIELDS_MAX) {
        walk(schema().lookupType(name), new Reader(asBuffer(bytes), RARE_FIELDS_MAX));
      }
      return decode(bytes);
    },
  };
}

/** Goes over all fields, those of embedded messages too, of which the reader lets only so many pass. */
function walk(type: protobuf.Type, reader: Reader): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    const embedded = (tag & 7) === WIRE_LENGTH ? type.fieldsById[tag >>> 3]?.resolvedType : null;
    if (embedded instanceof protobufjs().Type) {
      const outer = reader.enter();
      walk(embedded, reader);
      reader.leave(outer);
    } else {
      reader.skip(tag);
    }
  }
}

function decodeFields(type: protobuf.Type, bytes: Uint8Array): Fields {
  try {
    return type.decode(bytes) as unknown as Fields;
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function fromWire(type: protobuf.Type, message: Fields): Fields {
  const fields: Fields = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (field.repeated) {
      fields[field.name] = (value as unknown[]).map((element) => valueFromWire(field, element));
    } else if (field instanceof protobufjs().MapField) {
      fields[field.name] = mapped(value as Fields, (element) => valueFromWire(field, element));
    } else if (field.partOf !== null && !Object.hasOwn(message, field.name)) {
      fields[field.name] = null;
    } else {
      fields[field.name] = valueFromWire(field, value);
    }
  }
  return fields;
}

function toWire(type: protobuf.Type, message: Fields): Fields {
  const fields: Fields = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === null || value === undefined) continue;
    if (field.repeated) {
      fields[field.name] = (value as unknown[]).map((element) => valueToWire(field, element));
    } else if (field instanceof protobufjs().MapField) {
      fields[field.name] = mapped(value as Fields, (element) => valueToWire(field, element));
    } else {
      fields[field.name] = valueToWire(field, value);
    }
  }
  return fields;
}

function valueFromWire(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobufjs().Type) {
    return value === null || value === undefined ? null : fromWire(field.resolvedType, value as Fields);
  }
  switch (field.type) {
    case "int64":
    case "uint64": {
      const { low, high } = value as Halves;
      const isSigned = field.type === "int64";
      if (ID_FIELDS.has(field.name)) return idOf(low, high, isSigned);
      return (isSigned ? high : high >>> 0) * TWO_32 + (low >>> 0);
    }
    case "bytes":
      return asBuffer(value as Uint8Array);
    default:
      return value;
  }
}

function valueToWire(field: protobuf.Field, value: unknown): unknown {
  if (field.resolvedType instanceof protobufjs().Type) return toWire(field.resolvedType, value as Fields);
  switch (field.type) {
    case "int64":
      return halvesOf(integer(value, INT64_MIN, INT64_MAX));
    case "uint64":
      return halvesOf(integer(value, 0n, UINT64_MAX));
    default:
      return value;
  }
}

function idOf(low: number, high: number, isSigned: boolean): bigint {
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return isSigned ? BigInt.asIntN(64, bits) : bits;
}

/** A number or bigint as an integer in the range: the nearest there is. */
function integer(value: unknown, min: bigint, max: bigint): bigint {
  const exact = typeof value === "bigint" ? value : BigInt(value as number);
  if (exact > max) return max;
  return exact < min ? min : exact;
}

function halvesOf(value: bigint): Halves {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  // The zero value of a bytes field is an empty array in protobufjs.
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
}

function mapped(entries: Fields, change: (value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, change(value)]));
}
