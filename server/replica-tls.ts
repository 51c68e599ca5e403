/** What both ends of a link to a replica show one another: read from the files of a configuration. */
import { readFile } from "node:fs/promises";
import type { TlsMaterial } from "../journal/quorum/tcp-link.ts";
import type { TlsFiles } from "./config/config.ts";

/** @throws the system's error, which names the file */
export async function readTls({ cert, key, ca }: TlsFiles): Promise<TlsMaterial> {
  const [certText, keyText, caText] = await Promise.all([cert, key, ca].map((file) => readFile(file)));
  return { cert: certText, key: keyText, ca: caText };
}
