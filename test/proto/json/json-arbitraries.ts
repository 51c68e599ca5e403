/**
 * JSON texts for the messages of etcd, as clients write them and as they should not: every field by either name, values of the
 * right kind and of others, and now and then a text that is damaged.
 */
import fc from "fast-check";
import protobuf from "protobufjs";
import { schema } from "../../../proto/schema.ts";

const KEYS = ["a", "b", "ab", "k1", "k2", "\u00fc", ""];

const base64 = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...KEYS).map((key) => Buffer.from(key)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)) },
    ),
    fc.constantFrom("base64" as const, "base64" as const, "base64url" as const),
  )
  .map(([bytes, encoding]) => JSON.stringify(bytes.toString(encoding)));

const wholeNumbers = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 9 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("-1", "1e1", "10e-1", "2.0", "0.5", "-0", "1E+2", "9007199254740993") },
  { weight: 1, arbitrary: fc.constantFrom("9223372036854775807", "9223372036854775808", "18446744073709551616") },
);

/** Of no kind in particular. */
const anyValue = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "0",
    '""',
    '"x"',
    '"1"',
    '"-1"',
    '" 1"',
    '"1 2"',
    "[{}]",
    '"YQ"',
  ),
  fc.constantFrom('"YQ="', '"Y-+Q"', '"YQ==YQ=="', '"Y\\nQ=="', '"\\u0059Q\\/w"', '{"a":[1,{"b":null}]}', '"a\\"b"'),
  fc.constantFrom("1e400", "-", "01", "tru", "nul", "'a'", "\\u0041", '"\\x"', '"\\u00g0"', "1.", "1e", "\u00fc"),
);

function scalar(field: protobuf.Field): fc.Arbitrary<string> {
  if (field.resolvedType instanceof protobuf.Enum) {
    const { values } = field.resolvedType;
    return fc.constantFrom(
      ...Object.keys(values).map((name) => JSON.stringify(name)),
      ...Object.values(values).map(String),
      '"NONE_SUCH"',
      '"1"',
      '"toString"',
    );
  }
  switch (field.type) {
    case "bytes":
      return base64;
    case "string":
      return fc.constantFrom('"u1"', '"u2"', '"r1"', '"r2"', '""', '"\\u00fc"');
    case "bool":
      return fc.constantFrom("true", "false");
    default:
      return fc.tuple(wholeNumbers, fc.boolean()).map(([text, quoted]) => (quoted ? `"${text}"` : text));
  }
}

/** Names a field's own values where others would say nothing, or would be ours to answer alone. */
export type Values = Readonly<Record<string, fc.Arbitrary<string> | undefined>>;

function value(field: protobuf.Field, values: Values, depth: number): fc.Arbitrary<string> {
  const own = values[field.protoName];
  if (own !== undefined) return own;
  if (!(field.resolvedType instanceof protobuf.Type)) return scalar(field);
  return object(field.resolvedType, values, depth - 1);
}

const space = fc.constantFrom("", "", "", " ", "\n", "\t ");

function member(field: protobuf.Field, values: Values, depth: number): fc.Arbitrary<string> {
  const element = value(field, values, depth);
  const right = field.repeated ? fc.array(element, { maxLength: 3 }).map((all) => `[${all.join(",")}]`) : element;
  const own = values[field.protoName];
  const any = own === undefined ? [{ weight: 1, arbitrary: anyValue }] : [];
  return fc
    .tuple(fc.constantFrom(field.protoName, field.jsonName), fc.oneof({ weight: 40, arbitrary: right }, ...any), space)
    .map(([name, text, gap]) => `${gap}"${name}"${gap}:${text}`);
}

const unknownMember = fc
  .tuple(fc.constantFrom("unknown", "Key", "range-end", ""), anyValue)
  .map(([n, v]) => `"${n}":${v}`);

function object(type: protobuf.Type, values: Values, depth: number): fc.Arbitrary<string> {
  if (depth <= 0 || type.fieldsArray.length === 0) return fc.constant("{}");
  const members = type.fieldsArray
    .filter((field) => depth > 1 || !(field.resolvedType instanceof protobuf.Type))
    .map((field) => member(field, values, depth));
  if (members.length === 0) return fc.constant("{}");
  // Without these most requests come no further.
  const wanted = type.fieldsArray.find(({ name }) => name === "key" || name === "name" || name === "user");
  const first =
    wanted === undefined
      ? fc.constant<string[]>([])
      : fc.array(member(wanted, values, depth), { minLength: 1, maxLength: 1 });
  const oneof = type.oneofsArray.length > 0 && type.fieldsArray.every(({ partOf }) => partOf !== null);
  return fc
    .tuple(
      fc.option(first, { freq: 20, nil: [] }),
      fc.array(fc.oneof(...members), oneof ? { minLength: 1, maxLength: 1 } : { maxLength: 3 }),
      fc.oneof({ weight: 20, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: unknownMember }),
    )
    .chain(([needed, others, unknown]) => {
      const known = [...needed, ...others];
      // Names mostly come once.
      const once = [...new Map(known.map((text) => [text.split(":", 1)[0].trim(), text])).values()];
      const all = unknown === null ? once : [...once, unknown];
      return fc.tuple(fc.constant(all), fc.integer({ min: 0, max: 40 })).map(([texts, luck]) => {
        const told = luck === 0 && texts.length > 0 ? [...texts, texts[0]] : texts;
        return `{${told.join(",")}}`;
      });
    });
}

/** A text for a message. @param name its full name */
export function jsonOf(name: string, values: Values = {}): fc.Arbitrary<Buffer> {
  const text = object(schema().lookupType(name), values, 4).map((json) => Buffer.from(json));
  return fc.oneof({ weight: 8, arbitrary: text }, { weight: 1, arbitrary: text.chain(damaged) });
}

const ODD_BYTES = fc.constantFrom(
  ...'{}[]",:\\0-.eE tnu\n'.split("").map((c) => c.charCodeAt(0)),
  0,
  0x1f,
  0x7f,
  0xff,
  0xc3,
);

/** One byte is lost, added or another one. */
function damaged(text: Buffer): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.integer({ min: 0, max: text.length }), fc.integer({ min: 0, max: 1 }), fc.option(ODD_BYTES))
    .map(([at, lost, added]) =>
      Buffer.concat([text.subarray(0, at), Buffer.from(added === null ? [] : [added]), text.subarray(at + lost)]),
    );
}
