/**
 * What one reader keeps for longer than a turn.
 *
 * The revision it reads at, for as long as it reads in several turns. Compaction may pass a revision that is held, and
 * refuses later readers; what is needed there is removed only when it has been let go of.
 *
 * The bytes of what it has found, until it needs them no more: those of an answer until the client has taken it, however long
 * that lasts. Compaction does not wait for that, it only leaves the memory alone.
 */
import assert from "node:assert/strict";
import type { EncodedKv } from "../../proto/messages.ts";
import { Pins } from "./held.ts";
import type { Held } from "./held.ts";
import type { VersionRef } from "./versions.ts";

export class Hold {
  readonly revision: number;
  readonly #held: Held;
  #isTaken = false;
  #keepsBytes = false;
  /** Null when nothing is pinned. */
  #pins: Pins | null = null;

  /** Holds nothing until it is told to. */
  constructor(held: Held, revision: number) {
    this.revision = revision;
    this.#held = held;
  }

  /** Whether the revision is held. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Whether its reader goes on in later turns, and so has to pin what it wants to find again. */
  get keepsBytes(): boolean {
    return this.#keepsBytes;
  }

  /** Holds the revision. To be called while that can be read. */
  take(): void {
    assert(!this.#isTaken, "a reader holds its revision once");
    this.#held.add(this.revision);
    this.#isTaken = true;
    this.#keepsBytes = true;
  }

  /** Holds bytes alone. For a reader in several turns that would rather be refused than keep anything from removal. */
  keepBytes(): void {
    this.#keepsBytes = true;
  }

  /** Keeps the bytes of a version's kv, which was got in this turn, where they are. */
  pin(ref: VersionRef): void {
    this.#held.pin((this.#pins ??= new Pins()), ref);
  }

  /** The same for a kv as it was given in this turn. Does nothing for one that has memory of its own. */
  pinKv(kv: EncodedKv): void {
    this.#held.pinKv((this.#pins ??= new Pins()), kv);
  }

  /** Lets go of everything. */
  release(): void {
    if (this.#isTaken) this.#held.remove(this.revision);
    if (this.#pins !== null) this.#held.unpin(this.#pins);
    this.#pins = null;
    this.#isTaken = false;
    this.#keepsBytes = false;
  }
}
