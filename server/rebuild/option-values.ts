/** From the text of an option to its value, for the commands of this room. */

/** NaN for what is none. */
export function wholeNumber(text: string | undefined, min: number, fallback: number): number {
  if (text === undefined) return fallback;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) && number >= min ? number : Number.NaN;
}

/** Unix ms; NaN for what is no time, Infinity for none. */
export function timeOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1_000;
  return /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
}
