import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { WRITER_BYTES, WRITER_KEPT_BYTES_MAX } from "../../proto/limits.ts";
import { Writer } from "../../proto/writer.ts";

describe("a Writer", () => {
  test("puts what is written later before what was written earlier", () => {
    const writer = new Writer();
    writer.raw(Buffer.from("c"));
    writer.raw(Buffer.from("b"));
    writer.raw(Buffer.from("a"));
    expect(writer.bytes().toString()).toBe("abc");
    expect(writer.length).toBe(3);
  });

  test("grows and keeps what was written", () => {
    const writer = new Writer();
    const pieces = [100, WRITER_BYTES, 7, 5 * WRITER_BYTES, 30].map((length, i) => Buffer.alloc(length, i));
    for (const piece of pieces) writer.raw(piece);
    expect(writer.bytes().equals(Buffer.concat(pieces.toReversed()))).toBe(true);
  });

  test("grows in the middle of an embedded message without losing its length", () => {
    const writer = new Writer();
    writer.raw(Buffer.from("end"));
    const mark = writer.length;
    const content = Buffer.alloc(WRITER_BYTES + 1, "x");
    writer.raw(content);
    writer.nested(0x0a, mark);
    // 65537 as a varint.
    const head = Buffer.from("0a818004", "hex");
    expect(writer.bytes().equals(Buffer.concat([head, content, Buffer.from("end")]))).toBe(true);
  });

  test("begins anew after a reset, in the memory it has", () => {
    const writer = new Writer();
    writer.raw(Buffer.from("first"));
    const { buffer } = writer.bytes();
    writer.reset();
    expect(writer.length).toBe(0);
    expect(writer.bytes()).toHaveLength(0);
    writer.raw(Buffer.from("second"));
    expect(writer.bytes().toString()).toBe("second");
    expect(writer.bytes().buffer).toBe(buffer);
  });

  test("gives memory back that only one long message needed", () => {
    const writer = new Writer();
    writer.raw(Buffer.alloc(WRITER_KEPT_BYTES_MAX + 1));
    writer.reset();
    writer.raw(Buffer.from("short"));
    expect(writer.bytes().buffer.byteLength).toBe(WRITER_BYTES);
  });

  test("gives copies that the next message does not touch", () => {
    const writer = new Writer();
    writer.raw(Buffer.from("first"));
    const copy = writer.copy();
    writer.reset();
    writer.raw(Buffer.from("other"));
    expect(copy.toString()).toBe("first");
  });
});
