/**
 * What `--auth-token` says of tokens, in etcd's form: `simple`, or `jwt` with options.
 *
 *     jwt,pub-key=app.rsa.pub,priv-key=app.rsa,sign-method=RS512,ttl=10m
 */
import { ConfigError } from "./settings.ts";
import type { Setting } from "./settings.ts";
import { readDurationMs } from "./values.ts";

export const JWT_METHODS: readonly string[] = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "HS256",
  "HS384",
  "HS512",
];

/** How JSON web tokens are signed, and by which files. */
export interface JwtSettings {
  readonly method: string;
  readonly publicKeyFile: string | null;
  /** Without it tokens are verified and none is given. For HS… it is the secret, as it stands. */
  readonly privateKeyFile: string | null;
  readonly ttlMs: number;
}

const SIMPLE = "simple";
const JWT = "jwt";

const TTL_DEFAULT = "5m";

const JWT_OPTIONS = ["sign-method", "pub-key", "priv-key", "ttl"];

/** Null for simple tokens. */
export function readAuthToken(setting: Setting): JwtSettings | null {
  const [type, ...pairs] = setting.text.split(",");
  const options = readOptions(setting, pairs);
  if (type === SIMPLE || type === "") return null;
  if (type !== JWT) throw invalid(setting, `there are ${SIMPLE} and ${JWT}`);
  const method = options.get("sign-method") ?? "";
  if (!JWT_METHODS.includes(method)) throw invalid(setting, `sign-method is one of ${JWT_METHODS.join(", ")}`);
  return {
    method,
    publicKeyFile: options.get("pub-key") || null,
    privateKeyFile: options.get("priv-key") || null,
    ttlMs: readDurationMs({ ...setting, text: options.get("ttl") || TTL_DEFAULT }),
  };
}

/** Names of options that etcd does not know, which it passes over. */
export function unknownTokenOptions({ text }: Setting): string[] {
  const [type, ...pairs] = text.split(",");
  if (type !== JWT) return [];
  return pairs.map((pair) => pair.split("=", 1)[0]).filter((name) => !JWT_OPTIONS.includes(name));
}

function readOptions(setting: Setting, pairs: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const [name, value, ...more] = pair.split("=");
    if (value === undefined || more.length > 0) throw invalid(setting, `${JSON.stringify(pair)} is not name=value`);
    if (options.has(name)) throw invalid(setting, `${name} is given twice`);
    options.set(name, value);
  }
  return options;
}

/** In etcd's words, and with what is wrong. */
function invalid(setting: Setting, reason: string): ConfigError {
  return ConfigError.invalid(setting, `auth: invalid auth options: ${reason}`);
}
