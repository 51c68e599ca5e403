/**
 * A configuration file, as etcd reads it: YAML whose keys are names of flags, but for what stands in sections.
 *
 *     name: m1
 *     listen-client-urls: http://10.0.0.1:2379
 *     client-transport-security:
 *       cert-file: /etc/plinth/server.crt
 *
 * etcd passes over keys that it does not know. Here they are refused, with their lines: one with a typo is not what was meant.
 */
import { readFile } from "node:fs/promises";
import { isMap, isScalar, isSeq } from "yaml";
import type { Node } from "yaml";
import { CONFIG_FILE_BYTES_MAX } from "../limits.ts";
import { SERVE_FLAGS, USED_FLAGS } from "./flag-table.ts";
import { ConfigError, readBoolean } from "./settings.ts";
import type { Setting } from "./settings.ts";
import { YamlText } from "./yaml-text.ts";

/** The keys of a section, and the flags that they stand for; null for what means nothing here. */
type Section = ReadonlyMap<string, string | null>;

const TRANSPORT_KEYS = [
  "cert-file",
  "key-file",
  "client-cert-file",
  "client-key-file",
  "client-cert-auth",
  "trusted-ca-file",
  "auto-tls",
] as const;

const SECTIONS: ReadonlyMap<string, Section> = new Map([
  [
    "client-transport-security",
    new Map<string, string | null>([
      ...TRANSPORT_KEYS.map((key) => [key, key] as const),
      ["allowed-cn", "client-cert-allowed-cn"],
      ["allowed-hostname", "client-cert-allowed-hostname"],
      // Of certificates between members.
      ["skip-client-san-verification", null],
    ]),
  ],
  [
    "peer-transport-security",
    new Map<string, string | null>([
      ...TRANSPORT_KEYS.map((key) => [key, `peer-${key}`] as const),
      ["allowed-cn", "peer-cert-allowed-cn"],
      ["allowed-hostname", "peer-cert-allowed-hostname"],
      ["skip-client-san-verification", "peer-skip-client-san-verification"],
    ]),
  ],
  [
    "socket-options",
    new Map([
      ["reuse-port", "socket-reuse-port"],
      ["reuse-address", "socket-reuse-address"],
    ]),
  ],
]);

/** Where a flag stands that has its place in a section. */
const SECTION_OF: ReadonlyMap<string, string> = new Map(
  [...SECTIONS].flatMap(([section, keys]) =>
    [...keys].flatMap(([key, flag]) => (flag === null ? [] : [[flag, `${section}: ${key}`] as const])),
  ),
);

/** Flags whose numbers are nanoseconds, as Go has them. */
const DURATIONS: ReadonlySet<string> = new Set(
  USED_FLAGS.filter(({ value }) => value === "duration").map(({ name }) => name),
);

/** A section of etcd's that only a cluster of several members has. */
const DISCOVERY = "discovery-config";

/** @throws ConfigError that names file and line */
export async function readConfigFile(path: string): Promise<ReadonlyMap<string, Setting>> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new ConfigError(
      `--config-file: ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
    );
  }
  if (bytes.length > CONFIG_FILE_BYTES_MAX) {
    throw new ConfigError(`--config-file: ${path} has more than ${CONFIG_FILE_BYTES_MAX} bytes`);
  }
  return parseConfigFile(path, bytes.toString());
}

/** @throws ConfigError */
export function parseConfigFile(path: string, text: string): ReadonlyMap<string, Setting> {
  return new ConfigFile(path, text).read();
}

class ConfigFile {
  readonly #path: string;
  readonly #yaml: YamlText;
  readonly #settings = new Map<string, Setting>();

  constructor(path: string, text: string) {
    this.#path = path;
    // As etcd's library reads it, where yes is true.
    this.#yaml = new YamlText(`configuration file ${path}`, text, "1.1");
  }

  read(): ReadonlyMap<string, Setting> {
    const { contents } = this.#yaml;
    if (contents === null || (isScalar(contents) && contents.value === null)) return this.#settings;
    if (!isMap(contents)) throw this.#yaml.errorAt(contents, "it must have keys with values");
    for (const { name, key, value } of this.#yaml.fields(contents)) {
      const section = SECTIONS.get(name);
      if (section !== undefined) this.#readSection(name, section, value);
      else this.#readFlag(name, key, value);
    }
    return this.#settings;
  }

  #readSection(name: string, section: Section, node: Node | null): void {
    if (node === null) return;
    if (!isMap(node)) throw this.#yaml.errorAt(node, `invalid ${name}: it must have keys with values`);
    for (const { name: inner, key, value } of this.#yaml.fields(node)) {
      const flag = section.get(inner);
      if (flag === undefined) throw this.#unknown(key, inner, `of ${name}`);
      if (flag !== null) this.#set(flag, `${name}: ${inner}`, key, value);
    }
  }

  #readFlag(name: string, key: Node, value: Node | null): void {
    if (name === DISCOVERY && value === null) return;
    if (name === DISCOVERY) throw this.#yaml.errorAt(key, `${name} is not supported: each server is a cluster of one`);
    const place = SECTION_OF.get(name);
    if (place !== undefined)
      throw this.#yaml.errorAt(key, `${JSON.stringify(name)} stands in a section here, ${place}`);
    if (name === "config-file" || !isFlag(name)) throw this.#unknown(key, name, "of etcd or Plinth");
    this.#set(name, name, key, value);
  }

  #set(flag: string, name: string, key: Node, node: Node | null): void {
    if (node === null) return;
    const canonical = SERVE_FLAGS.aliases.get(flag) ?? flag;
    const origin = `${name} in ${this.#path}, line ${this.#yaml.lineOf(key)}`;
    const given = this.#textOf(node, name, DURATIONS.has(canonical));
    const text = SERVE_FLAGS.booleans.has(flag) ? readBoolean(given, origin) : given;
    if (!isFlag(flag)) {
      if (text !== "" && text !== "false") throw ConfigError.invalid({ name, text, origin }, "not supported yet");
      return;
    }
    this.#settings.set(canonical, { name: canonical, text, origin });
  }

  #textOf(node: Node, name: string, isDuration: boolean): string {
    if (isSeq<Node>(node)) return node.items.map((item) => this.#textOf(item, name, false)).join(",");
    if (!isScalar(node)) throw this.#yaml.errorAt(node, `${name} must be a value, or a list of them`);
    const { value } = node;
    if (value === null) return "";
    return isDuration && typeof value === "number" ? `${value}ns` : String(value);
  }

  #unknown(key: Node, name: string, whose: string): ConfigError {
    return this.#yaml.errorAt(key, `${JSON.stringify(name)} is no key ${whose}`);
  }
}

function isFlag(name: string): boolean {
  return SERVE_FLAGS.values.has(name) || SERVE_FLAGS.booleans.has(name);
}
