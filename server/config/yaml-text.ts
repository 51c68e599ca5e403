/** A file in YAML, or JSON, whose mistakes are told with their lines. Loaded, with its library, by who has such a file alone. */
import { isScalar, LineCounter, parseDocument } from "yaml";
import type { DocumentOptions, Node, YAMLMap } from "yaml";
import { ConfigError } from "./settings.ts";

/** What an object has, by name. */
export type Fields = ReadonlyMap<string, Node>;

/** A field, and where its name stands. */
export interface Field {
  readonly name: string;
  readonly key: Node;
  /** Null where nothing is given. */
  readonly value: Node | null;
}

export class YamlText {
  /** Null for an empty file. */
  readonly contents: Node | null;
  /** What the file is and where. */
  readonly #what: string;
  readonly #lines = new LineCounter();

  /** @throws ConfigError */
  constructor(what: string, text: string, version: DocumentOptions["version"] = "1.2") {
    this.#what = what;
    const options = { lineCounter: this.#lines, prettyErrors: false, version };
    const { contents, errors } = parseDocument(text, options);
    this.contents = contents;
    if (errors.length > 0) throw this.errorOn(this.#lineAt(errors[0].pos[0]), withoutStop(errors[0].message));
  }

  /** The fields of an object, in order. One that is given twice is an error of the syntax. */
  fields(map: YAMLMap): Field[] {
    return (map.items as { key: Node; value: Node | null }[]).map(({ key, value }) => ({
      name: isScalar(key) ? String(key.value) : "",
      key,
      // YAML has a node for nothing, too.
      value: value === null || (isScalar(value) && value.value === null) ? null : value,
    }));
  }

  /** The same by name, where each has to be known and given. */
  knownFields(map: YAMLMap, known: readonly string[]): Fields {
    const fields = new Map<string, Node>();
    for (const { name, key, value } of this.fields(map)) {
      if (!known.includes(name)) {
        throw this.errorAt(key, `${JSON.stringify(name)} is not known here, which has ${known.join(", ")}`);
      }
      if (value === null) throw this.errorAt(key, `${name} has no value`);
      fields.set(name, value);
    }
    return fields;
  }

  lineOf(node: Node): number {
    return this.#lineAt(node.range?.[0] ?? 0);
  }

  errorAt(node: Node | null, reason: string): ConfigError {
    return this.errorOn(node === null ? 1 : this.lineOf(node), reason);
  }

  errorOn(line: number, reason: string): ConfigError {
    return new ConfigError(`${this.#what}, line ${line}: ${reason}`);
  }

  #lineAt(offset: number): number {
    return Math.max(this.#lines.linePos(offset).line, 1);
  }
}

function withoutStop(message: string): string {
  return message.replace(/\.$/, "");
}
