/** Opens what the flags of TLS ask for: with the files that they name, or with a certificate that is kept beside the data. */
import { access, mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../clock.ts";
import type { ClientTls, ListenAddress } from "../config/config.ts";
import type { EventLog } from "../engine/event-log.ts";
import { ClientTerms } from "./client-terms.ts";
import { makeSelfSigned } from "./self-signed.ts";

/** Where etcd keeps it. */
const OWN_FOLDER = path.join("fixtures", "client");

/** @throws the system's error, which names the file, or a TlsFileError */
export async function openClientTerms(
  tls: ClientTls,
  addresses: readonly ListenAddress[],
  dataDir: string,
  clock: Clock,
  log: EventLog,
): Promise<ClientTerms> {
  const certificate = tls.certificate ?? (await ownCertificate(tls, addresses, dataDir, log));
  return ClientTerms.open(tls, certificate, clock, log);
}

/** The one that was made before, if it is there. */
async function ownCertificate(
  { selfSignedYears }: ClientTls,
  addresses: readonly ListenAddress[],
  dataDir: string,
  log: EventLog,
): Promise<{ cert: string; key: string }> {
  const folder = path.join(dataDir, OWN_FOLDER);
  const files = { cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
  if ((await isThere(files.cert)) && (await isThere(files.key))) return files;
  const hosts = addresses.flatMap((address) => ("host" in address ? [address.host] : []));
  const made = makeSelfSigned([...hosts, "localhost"], selfSignedYears, Date.now());
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeWhole(files.key, made.key);
  await writeWhole(files.cert, made.cert);
  log.warn({ ...files, years: selfSignedYears }, "made a certificate that no authority has signed");
  return files;
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}
