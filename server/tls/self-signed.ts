/** A certificate that the server makes for itself (RFC 5280): of ECDSA on P-256, good for the hosts that it listens on. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP, SocketAddress } from "node:net";
import * as asn from "./der.ts";
import { der } from "./der.ts";

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = der(asn.SEQUENCE, der(asn.OBJECT_ID, Buffer.from("2a8648ce3d040302", "hex")));
const ORGANIZATION = der(asn.OBJECT_ID, Buffer.from("55040a", "hex"));
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const VERSION_3 = der(0xa0, der(asn.INTEGER, Buffer.from([2])));
const SERIAL_BYTES = 16;

/** A critical extension needs `isCritical`. */
function extension(oid: string, value: Buffer, isCritical = false): Buffer {
  const id = der(asn.OBJECT_ID, Buffer.from(oid, "hex"));
  return der(asn.SEQUENCE, id, isCritical ? TRUE : Buffer.alloc(0), der(asn.OCTET_STRING, value));
}

/** @returns PEM */
export function makeSelfSigned(hosts: readonly string[], years: number, nowMs: number): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const serial = randomBytes(SERIAL_BYTES);
  // Positive, and no zero in front.
  serial[0] = (serial[0] & 0x7f) | 0x01;
  const name = der(
    asn.SEQUENCE,
    der(asn.SET, der(asn.SEQUENCE, ORGANIZATION, der(asn.UTF8_STRING, Buffer.from("plinth")))),
  );
  const extensions = der(
    asn.SEQUENCE,
    // An authority, of itself alone, that signs and agrees upon keys, and serves.
    extension("551d13", der(asn.SEQUENCE, TRUE), true),
    extension("551d0f", der(asn.BIT_STRING, Buffer.from([1, 0b1010_0110])), true),
    extension("551d25", der(asn.SEQUENCE, der(asn.OBJECT_ID, Buffer.from("2b06010505070301", "hex")))),
    extension("551d11", der(asn.SEQUENCE, ...[...new Set(hosts)].map(nameOf))),
  );
  const toBeSigned = der(
    asn.SEQUENCE,
    VERSION_3,
    der(asn.INTEGER, serial),
    ECDSA_WITH_SHA256,
    name,
    der(asn.SEQUENCE, time(nowMs), time(nowMs + years * 365 * DAY_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const certificate = der(
    asn.SEQUENCE,
    toBeSigned,
    ECDSA_WITH_SHA256,
    der(asn.BIT_STRING, Buffer.from([0]), signature),
  );
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function nameOf(host: string): Buffer {
  if (isIP(host) === 4) return der(0x87, Buffer.from(host.split(".").map(Number)));
  if (isIP(host) === 6) return der(0x87, bytesOfIpv6(host));
  return der(0x82, Buffer.from(host));
}

/** By way of a URL, which writes out what may be left out. */
function bytesOfIpv6(host: string): Buffer {
  const { address } = new SocketAddress({ address: host, family: "ipv6" });
  const [head, tail] = address.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const left = head.flatMap(groupsOf);
  const right = (tail ?? []).flatMap(groupsOf);
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** The last one may be written as IPv4. */
function groupsOf(text: string): number[] {
  if (!text.includes(".")) return [Number.parseInt(text, 16)];
  const [a, b, c, d] = text.split(".").map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

/** Two digits of the year until 2049, four of them later. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, "").replace(/\..*/, "Z");
  return text < "2050" ? der(asn.UTC_TIME, Buffer.from(text.slice(2))) : der(asn.GENERALIZED_TIME, Buffer.from(text));
}
