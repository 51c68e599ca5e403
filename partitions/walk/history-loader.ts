/**
 * Makes of a new keyspace what an etcd was: of its facts, then of each version that it has kept, in the order in which they were
 * made, and last of the removal that its compaction has left to do.
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import type { KeyspaceFacts } from "../state/keyspace-facts.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { compactStep } from "../state/compaction.ts";

/** A version of a key: a put, or with version 0 its deletion, which has neither create revision nor value nor lease. */
export interface HistoryEntry {
  readonly key: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  /** How many changes its revision has before it. */
  readonly subRevision: number;
  readonly version: number;
  readonly value: Buffer;
  /** 0n for none. */
  readonly lease: bigint;
}

export class HistoryLoader {
  readonly #state: KeyspaceState;
  #revision = 0;
  #subRevision = 0;

  constructor(state: KeyspaceState, facts: KeyspaceFacts) {
    state.begin(facts);
    this.#state = state;
  }

  /** The bytes are copied. */
  add({ key, createRevision, modRevision, subRevision, version, value, lease }: HistoryEntry): void {
    const isNext = modRevision > this.#revision || (modRevision === this.#revision && subRevision > this.#subRevision);
    assert(isNext && modRevision <= this.#state.revision, "versions come in the order in which they were made");
    this.#revision = modRevision;
    this.#subRevision = subRevision;
    this.#state.appendVersion(key, createRevision, modRevision, subRevision, version, value, lease);
  }

  /** When all were added: a step of what is left to do. True when nothing is. */
  finish(maxEntries: number): boolean {
    return compactStep(this.#state, Number.POSITIVE_INFINITY, maxEntries);
  }
}
