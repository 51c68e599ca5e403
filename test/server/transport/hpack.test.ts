import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { HeaderField } from "../../../server/transport/headers/header-field.ts";
import { HpackDecoder, HpackError, encodeInteger, literalBlock } from "../../../server/transport/headers/hpack.ts";
import { huffmanDecode, huffmanEncode } from "../../../server/transport/headers/huffman.ts";
import { TestHpackEncoder } from "./hpack-encoder.ts";
import type { FieldPair, Representation } from "./hpack-encoder.ts";

function decode(decoder: HpackDecoder, block: Buffer): FieldPair[] {
  const fields: FieldPair[] = [];
  decoder.decode(block, 0, block.length, { onField: ({ name, value }: HeaderField) => fields.push([name, value]) });
  return fields;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

function table(decoder: HpackDecoder): FieldPair[] {
  return Array.from({ length: decoder.tableLength }, (_, i) => {
    const { name, value } = decoder.tableEntry(i);
    return [name, value];
  });
}

describe("the examples of RFC 7541, appendix C", () => {
  test("C.1 integers", () => {
    expect(encodeInteger(10, 5, 0)).toEqual(hex("0a"));
    expect(encodeInteger(1337, 5, 0)).toEqual(hex("1f9a0a"));
    expect(encodeInteger(42, 8, 0)).toEqual(hex("2a"));
  });

  test.each([
    [
      "C.2.1 literal with indexing",
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      "custom-key",
      "custom-header",
      55,
    ],
    ["C.2.2 literal without indexing", "040c 2f73 616d 706c 652f 7061 7468", ":path", "/sample/path", 0],
    ["C.2.3 literal never indexed", "1008 7061 7373 776f 7264 0673 6563 7265 74", "password", "secret", 0],
    ["C.2.4 indexed", "82", ":method", "GET", 0],
  ])("%s", (_title, block, name, value, tableBytes) => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex(block))).toEqual([[name, value]]);
    expect(decoder.tableBytes).toBe(tableBytes);
  });

  const requests: readonly (readonly FieldPair[])[] = [
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ],
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
      ["cache-control", "no-cache"],
    ],
    [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ],
  ];
  const date1 = "Mon, 21 Oct 2013 20:13:21 GMT";
  const date2 = "Mon, 21 Oct 2013 20:13:22 GMT";
  const location = "https://www.example.com";
  const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
  const responses: readonly (readonly FieldPair[])[] = [
    [
      [":status", "302"],
      ["cache-control", "private"],
      ["date", date1],
      ["location", location],
    ],
    [
      [":status", "307"],
      ["cache-control", "private"],
      ["date", date1],
      ["location", location],
    ],
    [
      [":status", "200"],
      ["cache-control", "private"],
      ["date", date2],
      ["location", location],
      ["content-encoding", "gzip"],
      ["set-cookie", cookie],
    ],
  ];

  test.each([
    [
      "C.3 requests without Huffman coding",
      4096,
      requests,
      [57, 110, 164],
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4 requests with Huffman coding",
      4096,
      requests,
      [57, 110, 164],
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
    [
      "C.5 responses without Huffman coding, with evictions",
      256,
      responses,
      [222, 222, 215],
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
       546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        "4803 3330 37c1 c0bf",
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`,
      ],
    ],
    [
      "C.6 responses with Huffman coding, with evictions",
      256,
      responses,
      [222, 222, 215],
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
        "4883 640e ffc1 c0bf",
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ],
    ],
  ] as const)("%s", (_title, tableBytesMax, expected, tableBytes, blocks) => {
    const decoder = new HpackDecoder(tableBytesMax);
    for (const [i, block] of blocks.entries()) {
      expect(decode(decoder, hex(block))).toEqual(expected[i]);
      expect(decoder.tableBytes).toBe(tableBytes[i]);
    }
  });
});

describe("Huffman coding", () => {
  test("every octet string comes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const coded = huffmanEncode(octets);
        const target = Buffer.alloc(coded.length * 2);
        const length = huffmanDecode(coded, 0, coded.length, target);
        expect(Buffer.from(octets).equals(target.subarray(0, length))).toBe(true);
      }),
    );
  });

  test.each([
    ["a padding of 8 ones", "ff"],
    ["a padding that is not all ones", "00"],
    ["the end-of-string symbol", "fffffffc"],
    ["a code cut after more than 7 bits", "fffe"],
  ])("%s is refused", (_title, coded) => {
    const octets = hex(coded);
    expect(huffmanDecode(octets, 0, octets.length, Buffer.alloc(64))).toBe(-1);
  });
});

describe("malformed blocks are compression errors", () => {
  test.each([
    ["index 0", "80"],
    ["an index beyond the tables", "be"],
    ["an index far beyond the tables", "ffffff7f"],
    ["a name index beyond the tables", "7f80017f"],
    ["an integer of more than 28 bits", "ffffffffffff0f"],
    ["an integer that the block cuts", "ff80"],
    ["a string that the block cuts", "0003616263056465"],
    ["a string length without string", "0003616263"],
    ["a literal without name", "00"],
    ["a Huffman string with the end-of-string symbol", "0084fffffffc0161"],
    ["a size update above our limit", "3fe21f"],
    ["a size update after a field", "8220"],
  ])("%s", (_title, block) => {
    expect(() => decode(new HpackDecoder(), hex(block))).toThrow(HpackError);
  });

  test("a size update to our limit, and two in a row, are legal", () => {
    expect(decode(new HpackDecoder(), hex("20 3fe11f 82"))).toEqual([[":method", "GET"]]);
  });

  test("random octets give fields or a compression error", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (blocks) => {
        const decoder = new HpackDecoder();
        try {
          for (const block of blocks) decode(decoder, Buffer.from(block));
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
        const bytes = table(decoder).reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
        expect(decoder.tableBytes).toBe(bytes);
        expect(bytes).toBeLessThanOrEqual(4096);
      }),
    );
  });
});

const fieldPair: fc.Arbitrary<FieldPair> = fc.oneof(
  fc.constantFrom<FieldPair>([":method", "POST"], [":path", "/"], [":scheme", "http"], ["user-agent", "grpc-go"]),
  fc.tuple(
    fc.constantFrom("content-type", "user-agent", "grpc-timeout", "token", "x", ":path"),
    fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 }),
  ),
);

const representation: fc.Arbitrary<Representation> = fc.record({
  indexing: fc.constantFrom("enter", "enter", "without", "never"),
  useIndex: fc.boolean(),
  huffman: fc.boolean(),
});

const block = fc.record({
  sizeUpdates: fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 2 }),
  fields: fc.array(fc.tuple(fieldPair, representation), { maxLength: 12 }),
});

test("whatever an encoder chooses, its fields come back and the tables stay equal", () => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const encoder = new TestHpackEncoder(600);
      const decoder = new HpackDecoder(600);
      for (const { sizeUpdates, fields } of blocks) {
        const { generation } = decoder;
        const before = JSON.stringify(encoder.table);
        const encoded = Buffer.concat([
          ...sizeUpdates.map((bytes) => encoder.sizeUpdate(bytes)),
          ...fields.map(([field, how]) => encoder.field(field, how)),
        ]);
        expect(decode(decoder, encoded)).toEqual(fields.map(([field]) => field));
        expect(table(decoder)).toEqual(encoder.table);
        expect(decoder.tableBytes).toBe(encoder.tableBytes);
        // The block cache relies on this: the same generation means the same table.
        if (before !== JSON.stringify(encoder.table)) expect(decoder.generation).not.toBe(generation);
      }
    }),
  );
});

test("a literal block changes no table", () => {
  const decoder = new HpackDecoder();
  const fields: FieldPair[] = [
    [":status", "415"],
    ["grpc-message", "x".repeat(300)],
  ];
  expect(decode(decoder, literalBlock(fields))).toEqual(fields);
  expect(decoder.generation).toBe(0);
});
