/**
 * A list of revoked certificates (RFC 5280), of which the serial numbers are looked at and nothing else, as etcd does: not
 * who has signed it, and not until when it is good.
 */
import { derValues, INTEGER, readDer, SEQUENCE } from "./der.ts";
import { TlsFileError } from "./tls-file-error.ts";

/**
 * The serial numbers on it, in the form that Node gives those of certificates.
 *
 * @throws TlsFileError when it is no such list
 */
export function revokedSerials(file: Buffer): ReadonlySet<string> {
  const list = readDer(derOf(file), 0);
  const toBeSigned = list.tag === SEQUENCE ? readDer(list.content, 0) : list;
  if (toBeSigned.tag !== SEQUENCE) throw new TlsFileError("it is no list of revoked certificates");
  const serials = new Set<string>();
  // Before the entries stand the algorithm and the issuer, each a sequence; the version and the times are none.
  const sequences = [...derValues(toBeSigned.content)].filter(({ tag }) => tag === SEQUENCE);
  if (sequences.length < 2) throw new TlsFileError("it is no list of revoked certificates");
  const [, , entries] = sequences;
  if (entries === undefined) return serials;
  for (const entry of derValues(entries.content)) {
    const serial = readDer(entry.content, 0);
    if (serial.tag !== INTEGER) throw new TlsFileError("it is no list of revoked certificates");
    serials.add(serialText(serial.content.toString("hex")));
  }
  return serials;
}

/** Without zeros in front, in capitals. */
export function serialText(hex: string): string {
  return hex.toUpperCase().replace(/^0+/, "") || "0";
}

const PEM = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/;

function derOf(file: Buffer): Buffer {
  const text = PEM.exec(file.toString("latin1"));
  return text === null ? file : Buffer.from(text[1], "base64");
}
