import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonError } from "../../../proto/json/json-error.ts";
import { firstJsonValue, JsonValues } from "../../../proto/json/json-values.ts";
import { JSON_DEPTH_MAX } from "../../../proto/json/limits.ts";
import { allSteps } from "./all-steps.ts";
import { jsonOf } from "./json-arbitraries.ts";

function textOrError(read: () => string | null): string | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof JsonError) return `! ${error.message}`;
    throw error;
  }
}

const object = fc
  .tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, "\t"))
  .map(([value, indent]) => JSON.stringify(value, null, indent));

test("values that come in pieces are the values of the text, wherever it was cut", () => {
  const cut = fc.tuple(fc.array(object, { maxLength: 5 }), fc.constantFrom("", " ", "\n"), fc.array(fc.nat()));
  fc.assert(
    fc.property(cut, ([texts, between, cuts]) => {
      const bytes = Buffer.from(between + texts.join(between) + between);
      const ends = [...cuts.map((at) => at % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
      const values = new JsonValues();
      const taken: string[] = [];
      const take = (whole: Iterable<Buffer>): void => {
        for (const value of whole) taken.push(value.toString());
      };
      let start = 0;
      for (const end of ends) {
        take(values.push(bytes.subarray(start, end)));
        start = end;
      }
      take(values.finish());
      expect(taken).toEqual(texts);
      expect(values.heldBytes).toBe(0);
    }),
  );
});

test("what is JSON for JSON.parse is JSON, and nothing else", () => {
  const text = fc.oneof(
    object.map((json) => Buffer.from(json)),
    jsonOf("etcdserverpb.TxnRequest"),
  );
  fc.assert(
    fc.property(text, (bytes) => {
      // Of latin1, as the grammar is one of bytes.
      const whole = bytes.toString("latin1").trim();
      const value = textOrError(() => allSteps(firstJsonValue(bytes))?.toString("latin1") ?? null);
      if (isParsed(whole)) expect(value).toBe(whole);
      else expect(value).not.toBe(whole);
    }),
    { numRuns: 1_000 },
  );
});

function isParsed(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ["", null],
  [" \n\t\r", null],
  ["{}", "{}"],
  [' {"a":[1,-0.5e+3,true,false,null,"\\u00e4"]}x', '{"a":[1,-0.5e+3,true,false,null,"\\u00e4"]}'],
  ["12 3", "12"],
  ["12", "12"],
  ['"a"}', '"a"'],
  ["null", "null"],
  ["{", "! unexpected EOF"],
  ['{"a":"', "! unexpected EOF"],
  ["tru", "! unexpected EOF"],
  ["-", "! unexpected EOF"],
  ["<", "! invalid character '<' looking for beginning of value"],
  ["{,", "! invalid character ',' looking for beginning of object key string"],
  ['{"a" 1}', "! invalid character '1' after object key"],
  ['{"a":1 2}', "! invalid character '2' after object key:value pair"],
  ["[1 2]", "! invalid character '2' after array element"],
  ["[1,]", "! invalid character ']' looking for beginning of value"],
  ['["\n"]', "! invalid character '\\n' in string literal"],
  ['["\\x"]', "! invalid character 'x' in string escape code"],
  ['["\\u00g0"]', "! invalid character 'g' in \\u hexadecimal character escape"],
  ["[-x]", "! invalid character 'x' in numeric literal"],
  ["[1.]", "! invalid character ']' after decimal point in numeric literal"],
  ["[1e]", "! invalid character ']' in exponent of numeric literal"],
  ["[01]", "! invalid character '1' after array element"],
  ["trux", "! invalid character 'x' in literal true (expecting 'e')"],
  ["\u0000", "! invalid character '\\x00' looking for beginning of value"],
  ["'", "! invalid character '\\'' looking for beginning of value"],
  ["\u00fc", "! invalid character '\u00c3' looking for beginning of value"],
])("%j is read as Go reads it", (text, expected) => {
  expect(textOrError(() => allSteps(firstJsonValue(Buffer.from(text)))?.toString() ?? null)).toBe(expected);
});

test("how deep a text goes has a limit", () => {
  const nested = (depth: number): Buffer => Buffer.from("[".repeat(depth) + "]".repeat(depth));
  expect(allSteps(firstJsonValue(nested(JSON_DEPTH_MAX)))).toHaveLength(2 * JSON_DEPTH_MAX);
  expect(() => allSteps(firstJsonValue(nested(JSON_DEPTH_MAX + 1)))).toThrow("exceeded max depth");
});
