/** What the main thread and the one that is a witness say to each other. */
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import type { Difference } from "../engine/self-check.ts";

/** A chunk's memory goes along, and comes back. What is in it is whole: images or records, each behind its length (u32, little endian). */
export interface Chunk {
  readonly memory: ArrayBuffer;
  readonly length: number;
}

export type ToWitness =
  /** It begins with a snapshot of these facts. */
  | { readonly kind: "begin"; readonly facts: KeyspaceFacts }
  /** Images of a snapshot. */
  | ({ readonly kind: "versions" } & Chunk)
  /** Records of the journal. */
  | ({ readonly kind: "records" } & Chunk)
  /** It is to be what this one is. */
  | { readonly kind: "compare"; readonly facts: KeyspaceFacts }
  /** Images of what it is to be. */
  | ({ readonly kind: "images" } & Chunk)
  /** That was all. */
  | { readonly kind: "end" };

export type FromWitness =
  | { readonly kind: "taken"; readonly memory: ArrayBuffer }
  | { readonly kind: "seen"; readonly difference: Difference | null };
