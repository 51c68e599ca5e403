/** Puts bytes into encoded messages that a decoder has to pass over, and spoils bytes at random. */
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { schema } from "../../proto/schema.ts";

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_LENGTH = 2;
const WIRE_GROUP = 3;
const WIRE_GROUP_END = 4;
const WIRE_FIXED32 = 5;

/** A varint of 64 bits, a negative number as its two's complement. Written without the help of what is tested. */
export function varint(value: bigint | number): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Buffer.from(out);
}

export function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

/** A field with a length: bytes, string, or an embedded message. */
export function lengthField(field: number, ...content: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([tag(field, WIRE_LENGTH), varint(bytes.length), bytes]);
}

export function varintField(field: number, value: bigint | number): Buffer {
  return Buffer.concat([tag(field, WIRE_VARINT), varint(value)]);
}

/** Numbers that no message uses, among them the largest. */
const unusedNumber = fc.constantFrom(15, 16, 63, 65, 1000, 2 ** 20, 2 ** 28, 2 ** 29 - 1);
const usedNumber = fc.integer({ min: 1, max: 14 });

/** No message has a field of these wire types, so even a used number makes an unknown field. */
const oddField: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .tuple(usedNumber, fc.uint8Array({ minLength: 8, maxLength: 8 }))
    .map(([n, b]) => Buffer.concat([tag(n, WIRE_FIXED64), b])),
  fc
    .tuple(usedNumber, fc.uint8Array({ minLength: 4, maxLength: 4 }))
    .map(([n, b]) => Buffer.concat([tag(n, WIRE_FIXED32), b])),
);

const unusedField: fc.Arbitrary<Buffer> = fc.oneof(
  fc.tuple(unusedNumber, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(([n, value]) => varintField(n, value)),
  fc.tuple(unusedNumber, fc.uint8Array({ maxLength: 20 })).map(([n, content]) => lengthField(n, content)),
);

/** A field that every decoder must skip: of any wire type, also groups in groups. */
export const unknownField: fc.Arbitrary<Buffer> = fc.letrec<{ field: Buffer }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    unusedField,
    oddField,
    fc
      .tuple(fc.oneof(unusedNumber, usedNumber), fc.array(tie("field"), { maxLength: 3 }))
      .map(([n, fields]) => Buffer.concat([tag(n, WIRE_GROUP), ...fields, tag(n, WIRE_GROUP_END)])),
  ),
})).field;

/**
 * Writes a message again with unknown fields before, between and after its fields, in embedded messages too.
 *
 * @param fields where the unknown fields come from: taken in turn, an empty one means none at this place
 */
export function sprinkled(typeName: string, message: Buffer, fields: readonly Buffer[]): Buffer {
  let taken = 0;
  function next(): Buffer {
    return fields.length === 0 ? Buffer.alloc(0) : fields[taken++ % fields.length];
  }
  function sprinkle(type: protobuf.Type | null, content: Buffer): Buffer {
    if (type === null) return content;
    const reader = protobuf.Reader.create(content);
    const out: Buffer[] = [next()];
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const fieldTag = reader.uint32();
      const embedded = type.fieldsById[fieldTag >>> 3]?.resolvedType ?? null;
      if ((fieldTag & 7) === WIRE_LENGTH && embedded instanceof protobuf.Type) {
        out.push(lengthField(fieldTag >>> 3, sprinkle(embedded, Buffer.from(reader.bytes()))));
      } else {
        reader.skipType(fieldTag & 7);
        out.push(content.subarray(start, reader.pos));
      }
      out.push(next());
    }
    return Buffer.concat(out);
  }
  return sprinkle(schema().lookupType(typeName), message);
}

/** What may happen to bytes: one is changed, put in or taken out, or the end is cut off. */
export type Damage = { kind: "set" | "insert"; at: number; byte: number } | { kind: "remove" | "cut"; at: number };

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const interestingByte = fc.oneof(
  fc.constantFrom(0x00, 0x01, 0x08, 0x0a, 0x12, 0x1a, 0x22, 0x7f, 0x80, 0xff),
  fc.integer({ min: 0, max: 255 }),
);

export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constantFrom("set" as const, "insert" as const), at: place, byte: interestingByte }),
  fc.record({ kind: fc.constantFrom("remove" as const, "cut" as const), at: place }),
);

export function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  let result = bytes;
  for (const change of damages) {
    const at = Math.floor(change.at * (result.length + 1));
    const before = result.subarray(0, at);
    switch (change.kind) {
      case "set":
        result = Buffer.concat([before, Buffer.from([change.byte]), result.subarray(at + 1)]);
        break;
      case "insert":
        result = Buffer.concat([before, Buffer.from([change.byte]), result.subarray(at)]);
        break;
      case "remove":
        result = Buffer.concat([before, result.subarray(at + 1)]);
        break;
      case "cut":
        result = before;
        break;
    }
  }
  return result;
}
