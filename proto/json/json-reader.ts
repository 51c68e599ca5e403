/**
 * Walks over a JSON text that JsonScanner has found whole. It knows no messages. What the grammar allows and Go's protojson
 * does not (strings that are no Unicode) it refuses with protojson's words, and it tells where anything stands in its way.
 */
import { isUtf8 } from "node:buffer";
import type { Buffer } from "node:buffer";
import { JsonError } from "./json-error.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;

export type Kind = "object" | "array" | "string" | "number" | "boolean" | "null";

/** A name or a value that is no object and no array, with where it stands. */
export interface Token {
  readonly kind: Kind;
  readonly start: number;
  /** What was meant: of a string its characters, of others what is written. */
  readonly text: string;
  /** As it is written. */
  readonly raw: string;
}

export class JsonReader {
  readonly #bytes: Buffer;
  #at = 0;

  /** @param bytes one value, with nothing around it */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** What kind of value comes next. */
  peek(): Kind {
    this.#skipSpace();
    switch (this.#bytes[this.#at]) {
      case OPEN_BRACE:
        return "object";
      case OPEN_BRACKET:
        return "array";
      case QUOTE:
        return "string";
      case 0x74:
      case 0x66:
        return "boolean";
      case 0x6e:
        return "null";
      default:
        return "number";
    }
  }

  /** Steps into the object or array that comes next. */
  enter(): void {
    this.#at++;
  }

  /** Steps to the next element of an array that was entered, or out of it: then it gives false. */
  nextElement(): boolean {
    return this.#next(CLOSE_BRACKET);
  }

  /** Steps to the next member of an object that was entered and gives its name, or out of it: then it gives null. */
  nextName(): Token | null {
    if (!this.#next(CLOSE_BRACE)) return null;
    const name = this.#string();
    this.#skipSpace();
    // The colon.
    this.#at++;
    return name;
  }

  /** The value that comes next, of which an object or array is only opened. */
  token(): Token {
    const kind = this.peek();
    if (kind === "string") return this.#string();
    const start = this.#at;
    if (kind === "object" || kind === "array") {
      this.#at++;
    } else {
      while (this.#at < this.#bytes.length && isWord(this.#bytes[this.#at])) this.#at++;
    }
    const raw = this.#bytes.toString("latin1", start, this.#at);
    return { kind, start, text: raw, raw };
  }

  /** Leaves out the value that comes next, whatever is in it, and yields for every name and value there. */
  *skip(): Generator<void, void> {
    let depth = 0;
    do {
      this.#skipSpace();
      const byte = this.#bytes[this.#at];
      const isOpen = byte === OPEN_BRACE || byte === OPEN_BRACKET;
      if (isOpen) depth++;
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
      if (byte === QUOTE) this.#string();
      else if (isWord(byte)) this.token();
      else this.#at++;
      if (isOpen || byte === QUOTE || isWord(byte)) yield;
      // A name is followed by its value.
      this.#skipSpace();
    } while (depth > 0);
  }

  /** @throws JsonError always: what stands there cannot be understood */
  fail(start: number, text: string): never {
    throw new JsonError(`proto: ${this.#position(start)}: ${text}`);
  }

  /** @throws JsonError always: what stands there should not stand there */
  unexpected({ start, raw }: Token): never {
    this.#refuse(start, `unexpected token ${raw}`);
  }

  #refuse(start: number, text: string): never {
    throw new JsonError(`proto: syntax error ${this.#position(start)}: ${text}`);
  }

  /** Counted from 1, in lines and characters. */
  #position(at: number): string {
    const before = this.#bytes.subarray(0, at);
    let line = 1;
    for (const byte of before) if (byte === NEWLINE) line++;
    const ofLine = before.subarray(before.lastIndexOf(NEWLINE) + 1);
    let column = 1;
    // What continues a character does not count.
    for (const byte of ofLine) if ((byte & 0xc0) !== 0x80) column++;
    return `(line ${line}:${column})`;
  }

  #next(close: number): boolean {
    this.#skipSpace();
    const byte = this.#bytes[this.#at];
    if (byte === close) {
      this.#at++;
      return false;
    }
    if (byte === 0x2c) this.#at++;
    this.#skipSpace();
    return true;
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    while (this.#at < bytes.length && (bytes[this.#at] === 0x20 || (bytes[this.#at] >= 9 && bytes[this.#at] <= 13))) {
      this.#at++;
    }
  }

  #string(): Token {
    const bytes = this.#bytes;
    const start = this.#at;
    let end = start + 1;
    let isEscaped = false;
    while (bytes[end] !== QUOTE) {
      if (bytes[end] === BACKSLASH) {
        isEscaped = true;
        end++;
      }
      end++;
    }
    this.#at = end + 1;
    const inside = bytes.subarray(start + 1, end);
    if (!isUtf8(inside)) this.#refuse(start, "invalid UTF-8 in string");
    const written = inside.toString("utf8");
    const text = isEscaped ? this.#unescape(start, written) : written;
    return { kind: "string", start, text, raw: `"${written}"` };
  }

  #unescape(start: number, written: string): string {
    const text = JSON.parse(`"${written}"`) as string;
    if (!text.isWellFormed()) this.#refuse(start, "invalid escape code in string");
    return text;
  }
}

/** Of numbers and literals. */
function isWord(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x45
  );
}
