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
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Node, YAMLMap } from "yaml";
import { PARTITION_ENTRIES_MAX, PARTITION_MAP_BYTES_MAX, PARTITION_QUOTA_BYTES_MIN } from "../limits.ts";
import { WEIGHT_DEFAULT, WEIGHT_MAX } from "./partition-settings.ts";
import type { PartitionEntry, PartitionSettings } from "./partition-settings.ts";
import { ConfigError } from "./settings.ts";

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

type Fields = ReadonlyMap<string, Node>;

class MapReader {
  readonly #path: string;
  readonly #text: string;
  readonly #lines = new LineCounter();
  /** In the order of the file, with the line of each prefix. */
  readonly #entries: (PartitionEntry & { readonly line: number })[] = [];

  constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
  }

  read(): PartitionSettings {
    const { contents, errors } = parseDocument(this.#text, { lineCounter: this.#lines, prettyErrors: false });
    if (errors.length > 0) throw this.#error(errors[0].pos[0], withoutStop(errors[0].message));
    if (!isMap(contents)) throw this.#error(0, "a partition map has a list of partitions");
    const fields = this.#fields(contents, ["partitions", "otherResources", "rest"]);
    const list = fields.get("partitions");
    if (!isSeq<Node>(list) || list.items.length === 0) {
      throw this.#errorAt(list ?? contents, "partitions must be a list with an entry for each partition");
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
    if (!isMap(node)) throw this.#errorAt(node, "a partition has a prefix, and may have a quota and a weight");
    if (this.#entries.length === PARTITION_ENTRIES_MAX) {
      throw this.#errorAt(node, `there are at most ${PARTITION_ENTRIES_MAX} partitions`);
    }
    const fields = this.#fields(node, ["prefix", "quota", "weight"]);
    const prefixNode = fields.get("prefix");
    const prefix = isScalar(prefixNode) ? prefixNode.value : undefined;
    if (typeof prefix !== "string" || prefix === "") {
      throw this.#errorAt(prefixNode ?? node, "prefix must be a text that is not empty");
    }
    this.#entries.push({
      prefix: Buffer.from(prefix).toString("latin1"),
      quotaBytes: this.#readQuota(fields.get("quota")),
      weight: this.#readWeight(fields.get("weight")),
      line: this.#lineOf(prefixNode ?? node),
    });
  }

  #readRest(node: Node | undefined): number {
    if (node === undefined) return WEIGHT_DEFAULT;
    if (!isMap(node)) throw this.#errorAt(node, "rest has a weight");
    return this.#readWeight(this.#fields(node, ["weight"]).get("weight"));
  }

  #readQuota(node: Node | undefined): number | null {
    if (node === undefined) return null;
    const text = isScalar(node) ? String(node.value) : "";
    const match = /^(\d+)(KiB|MiB|GiB|TiB|)$/.exec(text);
    const bytes = match === null ? Number.NaN : Number(match[1]) * UNIT_BYTES[match[2]];
    if (!Number.isSafeInteger(bytes) || bytes < PARTITION_QUOTA_BYTES_MIN) {
      throw this.#errorAt(node, "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB");
    }
    return bytes;
  }

  #readWeight(node: Node | undefined): number {
    if (node === undefined) return WEIGHT_DEFAULT;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > WEIGHT_MAX) {
      throw this.#errorAt(node, `weight must be a whole number from 1 to ${WEIGHT_MAX}`);
    }
    return value;
  }

  #readBoolean(fields: Fields, name: string): boolean {
    const node = fields.get(name);
    if (node === undefined) return false;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value !== "boolean") throw this.#errorAt(node, `${name} must be true or false`);
    return value;
  }

  /** The fields of an object by name. One that is given twice is an error of the syntax. */
  #fields(map: YAMLMap, known: readonly string[]): Fields {
    const fields = new Map<string, Node>();
    for (const { key, value } of map.items as { key: Node; value: Node | null }[]) {
      const name = isScalar(key) ? String(key.value) : "";
      if (!known.includes(name)) {
        throw this.#errorAt(key, `${JSON.stringify(name)} is not known here, which has ${known.join(", ")}`);
      }
      // YAML has a node for nothing, too.
      if (value === null || (isScalar(value) && value.value === null)) {
        throw this.#errorAt(key, `${name} has no value`);
      }
      fields.set(name, value);
    }
    return fields;
  }

  /** Those that overlap stand side by side in key order: what begins with a prefix follows it. */
  #checkOverlaps(): void {
    const sorted = this.#entries.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
    for (let i = 1; i < sorted.length; i++) {
      const [outer, inner] = [sorted[i - 1], sorted[i]];
      if (!inner.prefix.startsWith(outer.prefix)) continue;
      const [first, second] = outer.line < inner.line ? [outer, inner] : [inner, outer];
      const how = outer.prefix === inner.prefix ? "is that" : "overlaps with that";
      throw this.#errorOn(second.line, `prefix ${quoted(second)} ${how} of line ${first.line}, ${quoted(first)}`);
    }
  }

  #lineOf(node: Node): number {
    return this.#lines.linePos(node.range?.[0] ?? 0).line;
  }

  #errorAt(node: Node, reason: string): ConfigError {
    return this.#errorOn(this.#lineOf(node), reason);
  }

  #error(offset: number, reason: string): ConfigError {
    return this.#errorOn(this.#lines.linePos(offset).line, reason);
  }

  #errorOn(line: number, reason: string): ConfigError {
    return new ConfigError(`partition map ${this.#path}, line ${Math.max(line, 1)}: ${reason}`);
  }
}

function quoted({ prefix }: PartitionEntry): string {
  return JSON.stringify(Buffer.from(prefix, "latin1").toString());
}

function withoutStop(message: string): string {
  return message.replace(/\.$/, "");
}
