/**
 * Turns the JSON of a message into its wire bytes, as protojson does: a field goes by its name in the .proto file or by that in
 * camel case, 64-bit numbers may be texts, bytes are base64, enums are names or numbers, null counts for nothing, and what is
 * not known is left out. What is refused is refused with protojson's words. The fields are those of the declared message.
 */
import type { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { DEPTH_MAX } from "../limits.ts";
import { fullName, protobufjs } from "../schema.ts";
import { bytesOfBase64 } from "./base64.ts";
import { JsonError } from "./json-error.ts";
import { JSON_VALUES_MAX, JSON_VALUES_PER_STEP } from "./limits.ts";
import { JsonReader } from "./json-reader.ts";
import type { Token } from "./json-reader.ts";
import { wholeNumber } from "./whole-number.ts";

/** The wire types of protobuf. */
const VARINT = 0;
const LENGTH = 2;

const RANGES: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/**
 * Yields between the steps of its work, of which each is short.
 *
 * @param json one JSON value that JsonScanner has found whole, with nothing around it
 * @throws JsonError
 */
export function* messageFromJson(type: protobuf.Type, json: Buffer): Generator<void, Uint8Array> {
  const writer = protobufjs().Writer.create();
  yield* new MessageWriter(writer, new JsonReader(json)).message(type, 1);
  return writer.finish();
}

class MessageWriter {
  readonly #writer: protobuf.Writer;
  readonly #reader: JsonReader;
  /** Names and elements that may still come. */
  #valuesLeft = JSON_VALUES_MAX;

  constructor(writer: protobuf.Writer, reader: JsonReader) {
    this.#writer = writer;
    this.#reader = reader;
  }

  *message(type: protobuf.Type, depth: number): Generator<void, void> {
    const reader = this.#reader;
    if (depth > DEPTH_MAX) throw new JsonError("proto: exceeded max recursion depth");
    if (reader.peek() !== "object") reader.unexpected(reader.token());
    reader.enter();
    const fields = fieldsOf(type);
    const seen = new Set<protobuf.Field | protobuf.OneOf>();
    for (let name = reader.nextName(); name !== null; name = reader.nextName()) {
      if (this.#endsStep()) yield;
      const field = fields.get(name.text);
      if (field === undefined) {
        for (const _ of reader.skip()) if (this.#endsStep()) yield;
        continue;
      }
      if (seen.has(field)) reader.fail(name.start, `duplicate field ${name.raw}`);
      seen.add(field);
      if (reader.peek() === "null") {
        reader.token();
      } else if (field.repeated) {
        yield* this.#list(field, depth);
      } else {
        const { partOf } = field;
        if (partOf !== null && seen.has(partOf)) {
          reader.fail(name.start, `error parsing ${name.raw}, oneof ${fullNameOf(partOf)} is already set`);
        }
        if (partOf !== null) seen.add(partOf);
        yield* this.#value(field, depth);
      }
    }
  }

  *#list(field: protobuf.Field, depth: number): Generator<void, void> {
    const reader = this.#reader;
    if (reader.peek() !== "array") reader.unexpected(reader.token());
    reader.enter();
    // A list of numbers need not be packed to be understood.
    while (reader.nextElement()) {
      if (this.#endsStep()) yield;
      yield* this.#value(field, depth);
    }
  }

  *#value(field: protobuf.Field, depth: number): Generator<void, void> {
    const { resolvedType } = field;
    const writer = this.#writer;
    if (!(resolvedType instanceof protobufjs().Type)) return this.#scalar(field, resolvedType);
    writer.uint32(tagOf(field, LENGTH)).fork();
    yield* this.message(resolvedType, depth + 1);
    writer.ldelim();
  }

  #scalar(field: protobuf.Field, named: protobuf.Enum | null): void {
    const writer = this.#writer;
    const token = this.#reader.token();
    const isWritten = named === null ? writeScalar(writer, field, token) : writeEnum(writer, field, named, token);
    if (!isWritten) {
      const type = named === null ? field.type : "enum";
      this.#reader.fail(token.start, `invalid value for ${type} field ${field.jsonName}: ${token.raw}`);
    }
  }

  /** Counts a name or an element. */
  #endsStep(): boolean {
    this.#valuesLeft--;
    if (this.#valuesLeft < 0) throw new JsonError("proto: too many values");
    return this.#valuesLeft % JSON_VALUES_PER_STEP === 0;
  }
}

/** Returns false when the token is no value of the field's type. */
function writeScalar(writer: protobuf.Writer, field: protobuf.Field, token: Token): boolean {
  const isString = token.kind === "string";
  switch (field.type) {
    case "bytes": {
      const bytes = isString ? bytesOfBase64(token.text) : null;
      if (bytes === null) return false;
      writer.uint32(tagOf(field, LENGTH)).bytes(bytes);
      return true;
    }
    case "string":
      if (!isString) return false;
      writer.uint32(tagOf(field, LENGTH)).string(token.text);
      return true;
    case "bool":
      if (token.kind !== "boolean") return false;
      writer.uint32(tagOf(field, VARINT)).bool(token.text === "true");
      return true;
    default: {
      const range = RANGES[field.type];
      if (range === undefined) throw new Error(`no message of etcd has a field of the type ${field.type}`);
      const value = isString || token.kind === "number" ? wholeNumber(token.text) : null;
      if (value === null || value < range[0] || value > range[1]) return false;
      writeVarint(writer.uint32(tagOf(field, VARINT)), value);
      return true;
    }
  }
}

/** A name that is not known counts for nothing. Names inherit numbers in protobufjs, and all that objects have. */
function writeEnum(writer: protobuf.Writer, field: protobuf.Field, type: protobuf.Enum, token: Token): boolean {
  if (token.kind === "string" && !Object.hasOwn(type.values, token.text)) return true;
  const named = token.kind === "string" ? BigInt(type.values[token.text]) : null;
  const value = named ?? (token.kind === "number" ? wholeNumber(token.text) : null);
  if (value === null || value < RANGES.int32[0] || value > RANGES.int32[1]) return false;
  writeVarint(writer.uint32(tagOf(field, VARINT)), BigInt(value));
  return true;
}

/** A negative number of any size is extended to 64 bits. */
function writeVarint(writer: protobuf.Writer, value: bigint): void {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  writer.uint64({ low, high, unsigned: true } as protobuf.Long);
}

function tagOf(field: protobuf.Field, wireType: number): number {
  return field.id * 8 + wireType;
}

const known = new WeakMap<protobuf.Type, Map<string, protobuf.Field>>();

/** By both of their names. */
function fieldsOf(type: protobuf.Type): Map<string, protobuf.Field> {
  let fields = known.get(type);
  if (fields === undefined) {
    fields = new Map(
      type.fieldsArray.flatMap((field) => [
        [field.protoName, field],
        [field.jsonName, field],
      ]),
    );
    known.set(type, fields);
  }
  return fields;
}

/** As in the .proto file, where a oneof's name is not in camel case. */
function fullNameOf(oneof: protobuf.OneOf): string {
  const name = oneof.name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return `${fullName(oneof.parent)}.${name}`;
}
