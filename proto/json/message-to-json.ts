/**
 * Turns the wire bytes of a message into its JSON, as etcd's gateway does with protojson: fields by their names in the .proto
 * file, zero values left out, 64-bit numbers as texts, bytes as base64, enums by name. It is made piece by piece while the wire
 * bytes are read from one end to the other, so that a long answer is never there as a whole twice.
 *
 * What it is given the server has encoded: fields in the order of their numbers, and elements of a list one behind the other.
 * Maps, and numbers of fixed length, no message of etcd has.
 */
import assert from "node:assert/strict";
import type protobuf from "protobufjs";
import { protobufjs } from "../schema.ts";
import { BASE64_PIECE_BYTES, JSON_PIECE_CHARACTERS } from "./limits.ts";
import type { WireSource } from "./wire-source.ts";

/** The wire types of protobuf. */
const VARINT = 0;
const LENGTH = 2;

/** Where the JSON is gathered that was not taken yet. */
interface Output {
  text: string;
}

/** The JSON of the message that is all of the source, in pieces that are short but the last. */
export function* messageToJson(type: protobuf.Type, source: WireSource): Generator<string, void, undefined> {
  const output: Output = { text: "" };
  yield* message(output, type, source, source.length);
  if (output.text !== "") yield take(output);
}

function take(output: Output): string {
  const { text } = output;
  output.text = "";
  return text;
}

function* message(output: Output, type: protobuf.Type, source: WireSource, end: number): Generator<string, void> {
  output.text += "{";
  let separator = "";
  /** The list that is open, or null. */
  let list: protobuf.Field | null = null;
  while (source.position < end) {
    const tag = source.uint32();
    const field: protobuf.Field | undefined = type.fieldsById[tag >>> 3];
    const wireType = tag & 7;
    assert(field !== undefined, "an answer has the fields that are declared");
    const length = wireType === LENGTH ? source.uint32() : 0;
    if (list !== null && list !== field) {
      output.text += "]";
      list = null;
    }
    const name = `${separator}"${field.protoName}":`;
    if (field.repeated) {
      output.text += list === null ? `${name}[` : ",";
      list = field;
      separator = ",";
      yield* element(output, field, source, wireType, length);
    } else if (field.resolvedType instanceof protobufjs().Type) {
      output.text += name;
      separator = ",";
      yield* message(output, field.resolvedType, source, source.position + length);
    } else if (wireType === LENGTH) {
      if (length === 0 && field.partOf === null) continue;
      output.text += name;
      separator = ",";
      yield* element(output, field, source, wireType, length);
    } else {
      const value = numberText(field, source.varint());
      if (value === null) continue;
      output.text += name + value;
      separator = ",";
    }
    if (output.text.length >= JSON_PIECE_CHARACTERS) yield take(output);
  }
  assert(source.position === end, "a message ends with its last field");
  output.text += list === null ? "}" : "]}";
}

/** A value whose name is written, or an element of a list; of a packed list all of them. */
function* element(
  output: Output,
  field: protobuf.Field,
  source: WireSource,
  wireType: number,
  length: number,
): Generator<string, void> {
  if (field.resolvedType instanceof protobufjs().Type) {
    yield* message(output, field.resolvedType, source, source.position + length);
  } else if (field.type === "bytes") {
    output.text += '"';
    yield* base64(output, source, length);
    output.text += '"';
  } else if (field.type === "string") {
    output.text += JSON.stringify(source.bytes(length).toString("utf8"));
  } else if (wireType === VARINT) {
    output.text += valueText(field, source.varint());
  } else {
    const end = source.position + length;
    output.text += valueText(field, source.varint());
    while (source.position < end) output.text += `,${valueText(field, source.varint())}`;
  }
}

function* base64(output: Output, source: WireSource, length: number): Generator<string, void> {
  for (let left = length; left > 0;) {
    const count = Math.min(left, BASE64_PIECE_BYTES);
    output.text += source.bytes(count).toString("base64");
    left -= count;
    if (left > 0) yield take(output);
  }
}

/** Null for a zero that is left out. */
function numberText(field: protobuf.Field, value: bigint): string | null {
  return value === 0n && field.partOf === null ? null : valueText(field, value);
}

function valueText(field: protobuf.Field, value: bigint): string {
  const { resolvedType } = field;
  if (resolvedType instanceof protobufjs().Enum) {
    const number = Number(BigInt.asIntN(32, value));
    const name: string | undefined = resolvedType.valuesById[number];
    return name === undefined ? String(number) : `"${name}"`;
  }
  switch (field.type) {
    case "bool":
      return value === 0n ? "false" : "true";
    case "int64":
      return `"${BigInt.asIntN(64, value)}"`;
    case "uint64":
      return `"${value}"`;
    case "int32":
      return String(BigInt.asIntN(32, value));
    case "uint32":
      return String(BigInt.asUintN(32, value));
    default:
      throw new Error(`no message of etcd has a field of the type ${field.type}`);
  }
}
