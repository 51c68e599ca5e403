/** What the server makes and reads of certificates by itself. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { revokedSerials, serialText } from "../../../server/tls/revocation-list.ts";
import { makeSelfSigned } from "../../../server/tls/self-signed.ts";
import { TlsFileError } from "../../../server/tls/tls-file-error.ts";
import { readFileSync } from "node:fs";
import { Authority, opensslMissing } from "../../journal/quorum/certificates.ts";

test("a certificate of its own is good for its hosts, so long, and verifies itself", () => {
  const now = Date.UTC(2049, 5, 1);
  const { cert, key } = makeSelfSigned(["127.0.0.1", "::1", "fe80::1:2", "db.example"], 2, now);
  const certificate = new X509Certificate(cert);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(key).toContain("PRIVATE KEY");
  expect(["127.0.0.1", "::1", "fe80::1:2", "10.0.0.1"].map((ip) => certificate.checkIP(ip) !== undefined)).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(certificate.checkHost("db.example")).toBe("db.example");
  expect([Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]).toEqual([now, now + 730 * 86_400_000]);
});

describe.skipIf(opensslMissing)("with openssl", () => {
  test("what it reads of a certificate is what was put into it", () => {
    const { cert } = makeSelfSigned(["127.0.0.1"], 1, Date.now());
    const text = execFileSync("openssl", ["x509", "-noout", "-text"], { input: cert }).toString();
    for (const part of [
      "CA:TRUE",
      "Digital Signature, Key Encipherment",
      "TLS Web Server Authentication",
      "O = plinth",
    ]) {
      expect(text.replace("O=plinth", "O = plinth")).toContain(part);
    }
  });

  test("serial numbers on a list are found, and damage is refused", () => {
    const authority = new Authority();
    for (const name of ["one", "two", "three"]) authority.issue(name);
    const list = readFileSync(authority.revoke("one", "three"));
    const serials = ["one", "two", "three"].map((name) =>
      serialText(new X509Certificate(readFileSync(authority.filesOf(name).cert)).serialNumber),
    );
    const pem = `-----BEGIN X509 CRL-----\n${list.toString("base64")}\n-----END X509 CRL-----\n`;
    for (const file of [list, Buffer.from(pem)]) {
      const revoked = revokedSerials(file);
      expect(serials.map((serial) => revoked.has(serial))).toEqual([true, false, true]);
    }
    for (let length = 0; length < list.length; length++) {
      expect(() => revokedSerials(list.subarray(0, length))).toThrow(TlsFileError);
    }
    expect(revokedSerials(readFileSync(authority.revoke())).size).toBe(0);
    authority.remove();
  });
});

test("no bytes at all bring anything but that error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        revokedSerials(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(TlsFileError);
      }
    }),
  );
});
