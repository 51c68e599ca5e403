/**
 * Whole numbers as protojson reads them: written in any way that JSON has, as long as the value is whole. A number may be as
 * long as the text it comes in, so each character is looked at once.
 */

/** uint64 has no more. */
const DIGITS_MAX = 20;

const ZERO = 0x30;
const NINE = 0x39;

/** What ends no number. */
const CONTINUED = /[-+._a-zA-Z0-9]/;

/**
 * The value of what `text` begins with, or null when that is no whole number, has space around it, or more digits than any
 * field. Whoever asks knows its range.
 */
export function wholeNumber(text: string): bigint | null {
  const isNegative = text.startsWith("-");
  const begin = isNegative ? 1 : 0;
  const integerEnd = text[begin] === "0" ? begin + 1 : digitsEnd(text, begin);
  if (integerEnd === begin) return null;
  const hasFraction = text[integerEnd] === ".";
  const fractionEnd = hasFraction ? digitsEnd(text, integerEnd + 1) : integerEnd;
  if (hasFraction && fractionEnd === integerEnd + 1) return null;
  const powerEnd = exponentEnd(text, fractionEnd);
  if (powerEnd < text.length ? CONTINUED.test(text[powerEnd]) : /[eE]/.test(text[powerEnd - 1])) return null;
  if (/\s/.test(text[text.length - 1])) return null;

  const whole = text[begin] === "0" ? "" : text.slice(begin, integerEnd);
  const rest = text.slice(integerEnd + 1, significantEnd(text, integerEnd + 1, fractionEnd));
  if (whole === "" && rest === "") return 0n;
  // Behind the letter, or the sign, there need be nothing.
  const power = text.slice(fractionEnd + 1, powerEnd);
  const exponent = Number(power === "+" || power === "-" ? "0" : power);
  const digits = exponent < 0 ? shiftedOut(whole, rest, -exponent) : shiftedIn(whole, rest, exponent);
  if (digits === null) return null;
  return isNegative ? -BigInt(digits) : BigInt(digits);
}

/** Where the digits end that begin at `start`. */
function digitsEnd(text: string, start: number): number {
  for (let end = start; ; end++) {
    const code = text.charCodeAt(end);
    if (!(code >= ZERO && code <= NINE)) return end;
  }
}

/** Where the exponent ends that may be at `start`. */
function exponentEnd(text: string, start: number): number {
  if (text[start] !== "e" && text[start] !== "E") return start;
  const isSigned = text[start + 1] === "+" || text[start + 1] === "-";
  return digitsEnd(text, isSigned ? start + 2 : start + 1);
}

/** Where the zeros begin that the digits from `start` to `end` have at their end. */
function significantEnd(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && text.charCodeAt(at - 1) === ZERO) at--;
  return at;
}

/** 12.5 with 3 is 12500. */
function shiftedIn(whole: string, rest: string, exponent: number): string | null {
  if (rest.length > exponent || whole.length + exponent > DIGITS_MAX) return null;
  return (whole + rest).padEnd(whole.length + exponent, "0");
}

/** 12000 with 3 is 12. */
function shiftedOut(whole: string, rest: string, exponent: number): string | null {
  const end = whole.length - exponent;
  if (rest !== "" || end <= 0 || end > DIGITS_MAX) return null;
  return significantEnd(whole, 0, whole.length) <= end ? whole.slice(0, end) : null;
}
