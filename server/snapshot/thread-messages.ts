/** What the main thread and those that write and read snapshots say to each other. */
import { SnapshotError } from "./snapshot-error.ts";
import type { SnapshotErrorCode } from "./snapshot-error.ts";
import type { SnapshotInfo } from "./snapshot-mark.ts";

/** An error on its way to another thread, which would not be of its class there. */
export interface Failure {
  readonly kind: "failed";
  readonly code: SnapshotErrorCode;
  readonly message: string;
}

/** What a thread that writes is started with. */
export interface WritingOrders {
  readonly directory: string;
  readonly position: number;
  readonly clusterId: string;
  readonly bytesPerSecond: number;
  readonly stop: SharedArrayBuffer;
}

/** A chunk's memory goes along, and comes back with `Taken`. */
export interface ChunkToWrite {
  readonly kind: "chunk";
  readonly memory: ArrayBuffer;
  /** Of the chunk in it: room for a header, then records. */
  readonly length: number;
  readonly count: number;
  /** As latin1, which costs less on its way than bytes. */
  readonly label: string;
}

export type ToWriter = ChunkToWrite | { readonly kind: "complete"; readonly meta: unknown } | { readonly kind: "stop" };

export interface Taken {
  readonly kind: "taken";
  readonly memories: readonly ArrayBuffer[];
}

export type FromWriter = Taken | { readonly kind: "completed"; readonly info: SnapshotInfo } | Failure;

/** What a thread that reads is started with. */
export interface ReadingOrders {
  readonly directory: string;
  readonly position: number;
  readonly clusterId: string;
  readonly stop: SharedArrayBuffer;
}

export type ToReader = Taken | { readonly kind: "stop" };

/** The memory of a chunk's body goes along, and comes back with `Taken`. */
export interface ReadChunk {
  readonly kind: "chunk";
  readonly memory: ArrayBuffer;
  readonly length: number;
}

export type FromReader =
  | { readonly kind: "opened"; readonly info: SnapshotInfo; readonly meta: unknown }
  | ReadChunk
  | { readonly kind: "ended" }
  | Failure;

export function failureOf({ code, message }: SnapshotError): Failure {
  return { kind: "failed", code, message };
}

export function errorOf({ code, message }: Failure): SnapshotError {
  return new SnapshotError(code, message);
}
