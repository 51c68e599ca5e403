/**
 * Finds where one JSON value ends that comes in pieces, and what is wrong with it: the first half of reading JSON as etcd's
 * gateway does, which is Go's encoding/json. It checks the grammar alone and keeps nothing of what it has seen but the open
 * objects and arrays, so that it is no work and no memory beyond one step for each byte.
 */
import type { Buffer } from "node:buffer";
import { JsonError } from "./json-error.ts";
import { JSON_DEPTH_MAX } from "./limits.ts";

/** Takes one byte, and gives what takes the next one. */
type Step = (scanner: JsonScanner, byte: number) => Step;

/** What an open object or array waits for. */
const OBJECT_KEY = 0;
const OBJECT_VALUE = 1;
const ARRAY_VALUE = 2;

export class JsonScanner {
  /** Of objects and arrays that are open, the innermost last. */
  readonly open: number[] = [];
  #step: Step = beginValue;
  #started = false;

  /** True when a value has begun. */
  get hasStarted(): boolean {
    return this.#started;
  }

  /**
   * Takes bytes[start ..] up to the end of the value.
   *
   * @returns where the value ends, or -1 when that is not in these bytes
   * @throws JsonError
   */
  scan(bytes: Buffer, start: number): number {
    let step = this.#step;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at];
      if (!this.#started) {
        if (isSpace(byte)) continue;
        this.#started = true;
      }
      if (step === inString) {
        // Most of a long value is in its strings.
        while (at < bytes.length && bytes[at] >= SPACE && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
        if (at === bytes.length) break;
        step = inString(this, bytes[at]);
      } else {
        step = step(this, byte);
      }
      if (step === closed) return this.#end(at + 1);
      if (step === ended) return this.#end(at);
    }
    this.#step = step;
    return -1;
  }

  /**
   * No more bytes will come.
   *
   * @returns true when the value ends with them, as a number may; false when none has begun
   * @throws JsonError
   */
  finish(): boolean {
    if (!this.#started) return false;
    if (!this.#mayEnd()) throw new JsonError("unexpected EOF");
    this.#end(0);
    return true;
  }

  #mayEnd(): boolean {
    try {
      return this.#step(this, SPACE) === ended;
    } catch (error) {
      if (error instanceof JsonError) return false;
      throw error;
    }
  }

  #end(at: number): number {
    this.#started = false;
    this.#step = beginValue;
    return at;
  }
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

function isExponent(byte: number): boolean {
  return (byte | 0x20) === 0x65;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** The value ended with this byte, or before it. */
const closed: Step = () => closed;
const ended: Step = () => ended;

const beginValue: Step = (scanner, byte) => {
  if (isSpace(byte)) return beginValue;
  switch (byte) {
    case OPEN_BRACE:
      return open(scanner, OBJECT_KEY, byte);
    case OPEN_BRACKET:
      return open(scanner, ARRAY_VALUE, byte);
    case QUOTE:
      return inString;
    case MINUS:
      return minus;
    case ZERO:
      return integer;
    case 0x74:
      return TRUE;
    case 0x66:
      return FALSE;
    case 0x6e:
      return NULL;
    default:
      if (isDigit(byte)) return digits;
      throw invalid(byte, "looking for beginning of value");
  }
};

function open(scanner: JsonScanner, kind: number, byte: number): Step {
  scanner.open.push(kind);
  if (scanner.open.length > JSON_DEPTH_MAX) throw invalid(byte, "exceeded max depth");
  return kind === OBJECT_KEY ? beginKeyOrEnd : beginValueOrEnd;
}

function close(scanner: JsonScanner): Step {
  scanner.open.pop();
  return scanner.open.length === 0 ? closed : endValue;
}

const beginKeyOrEnd: Step = (scanner, byte) => {
  if (isSpace(byte)) return beginKeyOrEnd;
  return byte === CLOSE_BRACE ? close(scanner) : beginKey(scanner, byte);
};

const beginValueOrEnd: Step = (scanner, byte) => {
  if (isSpace(byte)) return beginValueOrEnd;
  return byte === CLOSE_BRACKET ? close(scanner) : beginValue(scanner, byte);
};

const beginKey: Step = (_, byte) => {
  if (isSpace(byte)) return beginKey;
  if (byte === QUOTE) return inString;
  throw invalid(byte, "looking for beginning of object key string");
};

/** Behind a value, or a key. */
const endValue: Step = (scanner, byte) => {
  const { open: stack } = scanner;
  if (stack.length === 0) return ended;
  if (isSpace(byte)) return endValue;
  const innermost = stack.length - 1;
  switch (stack[innermost]) {
    case OBJECT_KEY:
      if (byte !== COLON) throw invalid(byte, "after object key");
      stack[innermost] = OBJECT_VALUE;
      return beginValue;
    case OBJECT_VALUE:
      if (byte === CLOSE_BRACE) return close(scanner);
      if (byte !== COMMA) throw invalid(byte, "after object key:value pair");
      stack[innermost] = OBJECT_KEY;
      return beginKey;
    default:
      if (byte === CLOSE_BRACKET) return close(scanner);
      if (byte !== COMMA) throw invalid(byte, "after array element");
      return beginValue;
  }
};

const inString: Step = (_, byte) => {
  if (byte === QUOTE) return endValue;
  if (byte === BACKSLASH) return escape;
  if (byte < SPACE) throw invalid(byte, "in string literal");
  return inString;
};

const ESCAPES = new Set([...'bfnrt\\/"'].map((character) => character.charCodeAt(0)));

const escape: Step = (_, byte) => {
  if (ESCAPES.has(byte)) return inString;
  if (byte === 0x75) return hexDigit;
  throw invalid(byte, "in string escape code");
};

function hex(next: Step): Step {
  return (_, byte) => {
    if (isHex(byte)) return next;
    throw invalid(byte, String.raw`in \u hexadecimal character escape`);
  };
}

const hexDigit = hex(hex(hex(hex(inString))));

const minus: Step = (_, byte) => {
  if (byte === ZERO) return integer;
  if (isDigit(byte)) return digits;
  throw invalid(byte, "in numeric literal");
};

const digits: Step = (scanner, byte) => (isDigit(byte) ? digits : integer(scanner, byte));

/** Behind the digits of the integer part. */
const integer: Step = (scanner, byte) => {
  if (byte === DOT) return point;
  return isExponent(byte) ? exponent : endValue(scanner, byte);
};

const point: Step = (_, byte) => {
  if (isDigit(byte)) return fraction;
  throw invalid(byte, "after decimal point in numeric literal");
};

const fraction: Step = (scanner, byte) => {
  if (isDigit(byte)) return fraction;
  return isExponent(byte) ? exponent : endValue(scanner, byte);
};

const exponent: Step = (scanner, byte) =>
  byte === PLUS || byte === MINUS ? exponentSign : exponentSign(scanner, byte);

const exponentSign: Step = (_, byte) => {
  if (isDigit(byte)) return exponentDigits;
  throw invalid(byte, "in exponent of numeric literal");
};

const exponentDigits: Step = (scanner, byte) => (isDigit(byte) ? exponentDigits : endValue(scanner, byte));

/** What takes the rest of a word. */
function word(text: string): Step {
  let next = endValue;
  for (let at = text.length - 1; at > 0; at--) {
    const following = next;
    next = (_, byte) => {
      if (byte === text.charCodeAt(at)) return following;
      throw invalid(byte, `in literal ${text} (expecting '${text[at]}')`);
    };
  }
  return next;
}

const TRUE = word("true");
const FALSE = word("false");
const NULL = word("null");

function invalid(byte: number, where: string): JsonError {
  return new JsonError(`invalid character ${quoted(byte)} ${where}`);
}

const NAMED: Readonly<Record<number, string>> = {
  0x07: String.raw`\a`,
  0x08: String.raw`\b`,
  0x09: String.raw`\t`,
  0x0a: String.raw`\n`,
  0x0b: String.raw`\v`,
  0x0c: String.raw`\f`,
  0x0d: String.raw`\r`,
  0x27: String.raw`\'`,
  [BACKSLASH]: String.raw`\\`,
};

/** A byte as Go quotes the character of that number. */
function quoted(byte: number): string {
  const digitsOf = (count: number): string => byte.toString(16).padStart(count, "0");
  const isPrintable = (byte >= SPACE && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const text =
    NAMED[byte] ?? (isPrintable ? String.fromCharCode(byte) : byte < 0x80 ? `\\x${digitsOf(2)}` : `\\u${digitsOf(4)}`);
  return `'${text}'`;
}
