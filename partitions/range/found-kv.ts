/**
 * The kv of one version, to be copied in the turn in which it was found. No view of it is made, which takes as long as to
 * find it; so there is one such object, which is used for each read.
 */
import type { MadePart } from "../../proto/writer.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

export class FoundKv implements MadePart {
  /** NO_VERSION when there is none. */
  ref: VersionRef = NO_VERSION;
  readonly #versions: Versions;

  constructor(versions: Versions) {
    this.#versions = versions;
  }

  /** How many keys were found. */
  get count(): 0 | 1 {
    return this.ref === NO_VERSION ? 0 : 1;
  }

  get length(): number {
    return this.ref === NO_VERSION ? 0 : this.#versions.kvBytes(this.ref);
  }

  /** Writes all `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void {
    if (count > 0) this.#versions.copyKv(this.ref, 0, count, target, offset);
  }
}
