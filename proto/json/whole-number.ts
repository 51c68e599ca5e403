/** Whole numbers as protojson reads them: written in any way that JSON has, as long as the value is whole. */

/** A number up to what ends it. Behind the letter of an exponent there need be nothing, if there is something behind it. */
const NUMBER = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]*))?(?![-+._a-zA-Z0-9])/;

/** uint64 has no more. */
const DIGITS_MAX = 20;

/**
 * The value of what `text` begins with, or null when that is no whole number, or has space around it. Whoever asks knows its
 * range.
 */
export function wholeNumber(text: string): bigint | null {
  const match = NUMBER.exec(text);
  if (match === null || /\s$/.test(text)) return null;
  const [written, sign, integer, fraction = "", power = ""] = match;
  if (written === text && /[eE]$/.test(text)) return null;
  const whole = integer === "0" ? "" : integer;
  const rest = fraction.replace(/0+$/, "");
  if (whole === "" && rest === "") return 0n;
  const exponent = Number(power === "" || power === "+" || power === "-" ? "0" : power);
  const digits = exponent < 0 ? shiftedOut(whole, rest, -exponent) : shiftedIn(whole, rest, exponent);
  if (digits === null) return null;
  return sign === "" ? BigInt(digits) : -BigInt(digits);
}

/** 12.5 with 3 is 12500. */
function shiftedIn(whole: string, rest: string, exponent: number): string | null {
  if (rest.length > exponent || whole.length + exponent > DIGITS_MAX) return null;
  return (whole + rest).padEnd(whole.length + exponent, "0");
}

/** 12000 with 3 is 12. */
function shiftedOut(whole: string, rest: string, exponent: number): string | null {
  const end = whole.length - exponent;
  if (rest !== "" || end < 0 || /[^0]/.test(whole.slice(end))) return null;
  return whole.slice(0, end) === "" ? null : whole.slice(0, end);
}
