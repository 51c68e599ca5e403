/** How a command speaks TLS to a server: etcdctl's flags. */
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

/** For `parseArgs`. */
export const TLS_FLAGS = {
  cacert: { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
  "insecure-skip-tls-verify": { type: "boolean", default: false },
} as const;

/** For the text of a command's usage. */
export const TLS_USAGE = `  --cacert       authorities that a server's certificate is checked by (PEM); the system's unless given
  --cert, --key  what the server is shown (PEM)
  --insecure-skip-tls-verify
                 takes any certificate of the server
`;

export interface TlsFlagValues {
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly "insecure-skip-tls-verify": boolean;
}

/** @throws the system's error, which names the file, or Error for one of two flags that belong together */
export function tlsOf(values: TlsFlagValues): ConnectionOptions {
  const { cacert, cert, key } = values;
  if ((cert === undefined) !== (key === undefined)) throw new Error("--cert and --key belong together");
  return {
    rejectUnauthorized: !values["insecure-skip-tls-verify"],
    ...(cacert !== undefined && { ca: readFileSync(cacert) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  };
}
