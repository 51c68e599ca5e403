/** All that is held (hold.ts): revisions, and bytes. */
import assert from "node:assert/strict";
import type { EncodedKv } from "../../proto/messages.ts";
import type { Records } from "../store/records.ts";
import type { VersionRef } from "./versions.ts";

/** What one hold has pinned. */
export class Pins {
  bytes = 0;
  /** Each block once. */
  readonly blocks = new Set<number>();
}

export class Held {
  /** Called when bytes that were pinned have been let go of. */
  onUnpinned: () => void = () => {};
  readonly #records: Records;
  /** As many as are read at a time, which is few. */
  readonly #revisions: number[] = [];
  #pinnedBytes = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Nothing that reading here needs may be removed; infinite when nothing is held. */
  get lowest(): number {
    return Math.min(...this.#revisions);
  }

  /** The bytes of all that is pinned, as often as it is. */
  get pinnedBytes(): number {
    return this.#pinnedBytes;
  }

  add(revision: number): void {
    this.#revisions.push(revision);
  }

  /** Takes back one `add`. */
  remove(revision: number): void {
    const at = this.#revisions.indexOf(revision);
    assert(at !== -1, "a revision that is let go of is held");
    this.#revisions.splice(at, 1);
  }

  pin(pins: Pins, ref: VersionRef): void {
    this.#pin(pins, this.#records.block(ref), this.#records.kvBytes(ref));
  }

  /** The same for a kv that was got in this turn, of which nothing is done if it has memory of its own. */
  pinKv(pins: Pins, kv: EncodedKv): void {
    const block = this.#records.blocks.numberOf(kv.buffer);
    if (block !== 0) this.#pin(pins, block, kv.length);
  }

  #pin(pins: Pins, block: number, bytes: number): void {
    pins.bytes += bytes;
    this.#pinnedBytes += bytes;
    if (pins.blocks.has(block)) return;
    pins.blocks.add(block);
    this.#records.blocks.pin(block);
  }

  /** Takes back all that was pinned with these. */
  unpin(pins: Pins): void {
    assert(pins.bytes <= this.#pinnedBytes, "what is let go of was pinned");
    this.#pinnedBytes -= pins.bytes;
    pins.bytes = 0;
    for (const block of pins.blocks) this.#records.blocks.unpin(block);
    pins.blocks.clear();
    this.onUnpinned();
  }
}
