/**
 * Reads a map of partitions, which is JSON or YAML:
 *
 *     partitions:
 *       - prefix: /registry/events/
 *         quota: 2GiB
 *         weight: 1
 *       - prefix: /registry/leases/
 *         weight: 8
 *     otherResources: true
 *     rest:
 *       weight: 2
 *
 * Whatever it cannot mean is refused with its line. The library for YAML is loaded by who has such a file, and by nobody else.
 */
import { readFile } from "node:fs/promises";
import { isMap, isScalar, isSeq } from "yaml";
import type { Node } from "yaml";
import { PARTITION_ENTRIES_MAX, PARTITION_MAP_BYTES_MAX, PARTITION_QUOTA_BYTES_MIN } from "../limits.ts";
import { WEIGHT_DEFAULT, WEIGHT_MAX } from "./partition-settings.ts";
import type { PartitionEntry, PartitionSettings } from "./partition-settings.ts";
import { ConfigError } from "./settings.ts";
import { YamlText } from "./yaml-text.ts";
import type { Fields } from "./yaml-text.ts";

/** @throws ConfigError that names file and line, or the system's error of the file */
export async function readPartitionMap(path: string): Promise<PartitionSettings> {
  const bytes = await readFile(path);
  if (bytes.length > PARTITION_MAP_BYTES_MAX) {
    throw new ConfigError(`${path}: a partition map has at most ${PARTITION_MAP_BYTES_MAX} bytes`);
  }
  return parsePartitionMap(path, bytes.toString());
}

/** @throws ConfigError */
export function parsePartitionMap(path: string, text: string): PartitionSettings {
  return new MapReader(path, text).read();
}

/** Bytes in each unit of a size. */
const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

class MapReader {
  readonly #yaml: YamlText;
  /** In the order of the file, with the line of each prefix. */
  readonly #entries: (PartitionEntry & { readonly line: number })[] = [];

  constructor(path: string, text: string) {
    this.#yaml = new YamlText(`partition map ${path}`, text);
  }

  read(): PartitionSettings {
    const { contents } = this.#yaml;
    if (!isMap(contents)) throw this.#yaml.errorOn(1, "a partition map has a list of partitions");
    const fields = this.#yaml.knownFields(contents, ["partitions", "otherResources", "rest"]);
    const list = fields.get("partitions");
    if (!isSeq<Node>(list) || list.items.length === 0) {
      throw this.#yaml.errorAt(list ?? contents, "partitions must be a list with an entry for each partition");
    }
    for (const item of list.items) this.#readEntry(item);
    this.#checkOverlaps();
    return {
      entries: this.#entries.map(({ prefix, quotaBytes, weight }) => ({ prefix, quotaBytes, weight })),
      otherResources: this.#readBoolean(fields, "otherResources"),
      restWeight: this.#readRest(fields.get("rest")),
    };
  }

  #readEntry(node: Node): void {
    if (!isMap(node)) throw this.#yaml.errorAt(node, "a partition has a prefix, and may have a quota and a weight");
    if (this.#entries.length === PARTITION_ENTRIES_MAX) {
      throw this.#yaml.errorAt(node, `there are at most ${PARTITION_ENTRIES_MAX} partitions`);
    }
    const fields = this.#yaml.knownFields(node, ["prefix", "quota", "weight"]);
    const prefixNode = fields.get("prefix");
    const prefix = isScalar(prefixNode) ? prefixNode.value : undefined;
    if (typeof prefix !== "string" || prefix === "") {
      throw this.#yaml.errorAt(prefixNode ?? node, "prefix must be a text that is not empty");
    }
    this.#entries.push({
      prefix: Buffer.from(prefix).toString("latin1"),
      quotaBytes: this.#readQuota(fields.get("quota")),
      weight: this.#readWeight(fields.get("weight")),
      line: this.#yaml.lineOf(prefixNode ?? node),
    });
  }

  #readRest(node: Node | undefined): number {
    if (node === undefined) return WEIGHT_DEFAULT;
    if (!isMap(node)) throw this.#yaml.errorAt(node, "rest has a weight");
    return this.#readWeight(this.#yaml.knownFields(node, ["weight"]).get("weight"));
  }

  #readQuota(node: Node | undefined): number | null {
    if (node === undefined) return null;
    const text = isScalar(node) ? String(node.value) : "";
    const match = /^(\d+)(KiB|MiB|GiB|TiB|)$/.exec(text);
    const bytes = match === null ? Number.NaN : Number(match[1]) * UNIT_BYTES[match[2]];
    if (!Number.isSafeInteger(bytes) || bytes < PARTITION_QUOTA_BYTES_MIN) {
      throw this.#yaml.errorAt(node, "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB");
    }
    return bytes;
  }

  #readWeight(node: Node | undefined): number {
    if (node === undefined) return WEIGHT_DEFAULT;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > WEIGHT_MAX) {
      throw this.#yaml.errorAt(node, `weight must be a whole number from 1 to ${WEIGHT_MAX}`);
    }
    return value;
  }

  #readBoolean(fields: Fields, name: string): boolean {
    const node = fields.get(name);
    if (node === undefined) return false;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value !== "boolean") throw this.#yaml.errorAt(node, `${name} must be true or false`);
    return value;
  }

  /** Those that overlap stand side by side in key order: what begins with a prefix follows it. */
  #checkOverlaps(): void {
    const sorted = this.#entries.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
    for (let i = 1; i < sorted.length; i++) {
      const [outer, inner] = [sorted[i - 1], sorted[i]];
      if (!inner.prefix.startsWith(outer.prefix)) continue;
      const [first, second] = outer.line < inner.line ? [outer, inner] : [inner, outer];
      const how = outer.prefix === inner.prefix ? "is that" : "overlaps with that";
      throw this.#yaml.errorOn(second.line, `prefix ${quoted(second)} ${how} of line ${first.line}, ${quoted(first)}`);
    }
  }
}

function quoted({ prefix }: PartitionEntry): string {
  return JSON.stringify(Buffer.from(prefix, "latin1").toString());
}
