/**
 * The coding of the `grpc-message` trailer: octets outside 0x20-0x7E and the percent sign as %XX, all others as they
 * are. `encodeURIComponent` would encode blanks and slashes too, which clients that do not decode then show.
 */

/** A status text in UTF-8, percent coded; the result is ASCII. */
export function percentEncode(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (!/[^\x20-\x24\x26-\x7e]/.test(text)) return text;
  let encoded = "";
  for (const octet of Buffer.from(text, "utf8")) {
    encoded +=
      octet >= 0x20 && octet <= 0x7e && octet !== 0x25
        ? String.fromCharCode(octet)
        : `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
