/** What holds on a connection of a client over TLS: which certificate it is shown, and whom it has to be. */
import { createPrivateKey, constants, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, getCACertificates } from "node:tls";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { Clock } from "../clock.ts";
import type { ClientTls } from "../config/config.ts";
import type { EventLog } from "../engine/event-log.ts";
import { revokedSerials, serialText } from "./revocation-list.ts";
import { TlsFileError } from "./tls-file-error.ts";
import { WatchedFiles } from "./watched-files.ts";

/** Certificates from a client's to its authority that are looked for among the revoked ones. */
const CHAIN_MAX = 16;

/** X509_CERT_AUX of OpenSSL, in DER: a list of trusted uses, which is id-kp-clientAuth. */
const TRUST_FOR_CLIENTS = Buffer.from("300c300a06082b06010505070302", "hex");

interface Material {
  readonly options: SecureContextOptions;
  readonly revoked: ReadonlySet<string>;
}

export class ClientTerms {
  readonly asksClients: boolean;
  readonly #tls: ClientTls;
  readonly #files: WatchedFiles<Material>;
  #revoked: ReadonlySet<string> = new Set();

  private constructor(tls: ClientTls, files: WatchedFiles<Material>) {
    this.asksClients = tls.asksClients;
    this.#tls = tls;
    this.#files = files;
  }

  /**
   * @param certificate whose files are read
   * @throws the system's error, which names the file, or a TlsFileError
   */
  static async open(
    tls: ClientTls,
    certificate: { readonly cert: string; readonly key: string },
    clock: Clock,
    log: EventLog,
  ): Promise<ClientTerms> {
    const { trustedCa, revocations } = tls;
    const paths = [certificate.cert, certificate.key];
    if (trustedCa !== null) paths.push(trustedCa);
    if (revocations !== null) paths.push(revocations);
    const files = await WatchedFiles.open({
      paths,
      clock,
      make: ([cert, key, ...rest]) => {
        const ca = trustedCa === null ? null : rest[0];
        return materialOf(tls, paths, cert, key, ca, revocations === null ? null : rest[rest.length - 1]);
      },
      onRenewed: () => log.info({ files: paths }, "read the files of TLS again: new connections have what they say"),
      onFault: (error) =>
        log.warn({ error, files: paths }, "the files of TLS are no good; what they said before holds"),
    });
    return new ClientTerms(tls, files);
  }

  /** For a connection that begins now. The same object until the files have changed. */
  async fresh(): Promise<SecureContextOptions> {
    const { options, revoked } = await this.#files.fresh();
    this.#revoked = revoked;
    return options;
  }

  /** Why a client is not served whose certificate is signed as it should be, or null. */
  refuse(socket: TLSSocket): string | null {
    if (!this.asksClients) return null;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return "client certificate authentication failed";
    const { allowedNames, allowedHosts } = this.#tls;
    if (allowedNames.length > 0 && !allowedNames.includes(commonName(socket) ?? "")) {
      return "client certificate authentication failed";
    }
    if (allowedHosts.length > 0 && !allowedHosts.some((host) => isFor(certificate, host))) {
      return "client certificate authentication failed";
    }
    if (this.#revoked.size === 0) return null;
    let one: X509Certificate | undefined = certificate;
    for (let i = 0; i < CHAIN_MAX && one !== undefined; i++) {
      const serial = serialText(one.serialNumber);
      if (this.#revoked.has(serial)) return `certificate serial ${serial.toLowerCase()} revoked`;
      one = one.issuerCertificate;
    }
    return null;
  }

  /** The user that a client's certificate makes it, or null. */
  userOf(socket: TLSSocket): string | null {
    return this.#tls.namesUsers && socket.authorized ? commonName(socket) : null;
  }
}

function materialOf(
  tls: ClientTls,
  paths: readonly string[],
  cert: Buffer,
  key: Buffer,
  ca: Buffer | null,
  revocations: Buffer | null,
): Material {
  readCertificates(cert, paths[0]);
  checking(paths[1], () => createPrivateKey(key));
  const authorities = ca === null ? null : readCertificates(ca, paths[2]).map(trusted);
  const options: SecureContextOptions = {
    cert,
    key,
    ...(tls.asksClients && { ca: authorities ?? getCACertificates("system") }),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(tls.ciphers !== null && { ciphers: tls.ciphers }),
    // A session that is taken up again is not judged by the authorities and lists of now.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  // A key that is not the certificate's.
  checking(paths[1], () => createSecureContext(options));
  const revoked =
    revocations === null ? new Set<string>() : checking(paths[paths.length - 1], () => revokedSerials(revocations));
  return { options, revoked };
}

/** @throws when it is half written, with fewer ends than beginnings, or none of either */
function readCertificates(file: Buffer, path: string): X509Certificate[] {
  const text = file.toString("latin1");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const begun = text.split("-----BEGIN CERTIFICATE").length - 1;
  if (blocks.length === 0 || blocks.length < begun)
    throw new TlsFileError(`${path}: it has no whole certificates (PEM)`);
  return blocks.map((block) => checking(path, () => new X509Certificate(block)));
}

/**
 * The certificate as OpenSSL's PEM for one that is trusted to certify clients whoever has signed it. Without that an authority
 * in between is good for nothing unless the root is there too; Go trusts whatever is in the file.
 */
function trusted({ raw }: X509Certificate): string {
  const base64 = Buffer.concat([raw, TRUST_FOR_CLIENTS]).toString("base64");
  return `-----BEGIN TRUSTED CERTIFICATE-----\n${base64.replaceAll(/.{64}/g, "$&\n")}\n-----END TRUSTED CERTIFICATE-----\n`;
}

function checking<Made>(path: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    // OpenSSL's text is of its sources; its reason says what is wrong.
    const { reason, message } = error as Error & { readonly reason?: string };
    throw new TlsFileError(`${path}: ${reason ?? message}`);
  }
}

/** The last one, as in Go; null for none. */
function commonName(socket: TLSSocket): string | null {
  // The types do not tell that there may be several, or none.
  const name = socket.getPeerCertificate().subject?.CN as string | readonly string[] | undefined;
  const last = typeof name === "string" ? name : name?.at(-1);
  return last === undefined || last === "" ? null : last;
}

function isFor(certificate: X509Certificate, host: string): boolean {
  const found =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: "never", partialWildcards: false })
      : certificate.checkIP(host);
  return found !== undefined;
}
