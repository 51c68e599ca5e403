/**
 * What the writers know of the objects of one resource: which revision and which value each has by the last answer, and
 * whether a write of it is under way, which others of the same object wait for as kube-apiserver's do for conflicts.
 */

import { ObjectKeys } from "./objects.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { Resource } from "./scale.ts";

const BUSY = 1;
/** Written since the preload. */
const WRITTEN = 2;
/** The last write of it had no answer that tells whether it was done, or an answer that it was not. */
const UNCERTAIN = 4;

const CAPACITY_MIN = 1024;

/** A write that waits for others of the same object. */
export interface ObjectWrite {
  begin(): void;
}

export class ObjectTable {
  readonly resource: Resource;
  readonly keys: ObjectKeys;
  /** Of the writes that were acknowledged since it was reset. */
  fingerprint = new Fingerprint();
  /** Writes since then of which nobody knows whether they were done. */
  uncertainWrites = 0;
  #length = 0;
  #revisions = new Float64Array(CAPACITY_MIN);
  #numbers = new Float64Array(CAPACITY_MIN);
  #flags = new Uint8Array(CAPACITY_MIN);
  readonly #waiting = new Map<number, ObjectWrite[]>();

  constructor(resource: Resource) {
    this.resource = resource;
    this.keys = new ObjectKeys(resource);
  }

  /** How many objects there are or were. */
  get length(): number {
    return this.#length;
  }

  /** Makes room for one more object, which does not exist yet, and returns its index. */
  append(): number {
    if (this.#length === this.#flags.length) this.#grow();
    return this.#length++;
  }

  /** 0 when it does not exist. */
  revision(i: number): number {
    return this.#revisions[i];
  }

  /** The number of its value. */
  number(i: number): number {
    return this.#numbers[i];
  }

  isWritten(i: number): boolean {
    return (this.#flags[i] & WRITTEN) !== 0;
  }

  isUncertain(i: number): boolean {
    return (this.#flags[i] & UNCERTAIN) !== 0;
  }

  countExisting(): number {
    let count = 0;
    for (let i = 0; i < this.#length; i++) if (this.#revisions[i] !== 0) count++;
    return count;
  }

  countUncertain(): number {
    let count = 0;
    for (let i = 0; i < this.#length; i++) if (this.isUncertain(i)) count++;
    return count;
  }

  /** Begins a write as soon as no other of the object is under way; it ends with `release`. */
  acquire(i: number, write: ObjectWrite): void {
    if ((this.#flags[i] & BUSY) === 0) {
      this.#flags[i] |= BUSY;
      write.begin();
      return;
    }
    const waiting = this.#waiting.get(i);
    if (waiting === undefined) this.#waiting.set(i, [write]);
    else waiting.push(write);
  }

  release(i: number): void {
    const waiting = this.#waiting.get(i);
    const next = waiting?.shift();
    if (waiting?.length === 0) this.#waiting.delete(i);
    if (next === undefined) this.#flags[i] &= ~BUSY;
    else next.begin();
  }

  preloaded(i: number, revision: number, number: number): void {
    this.#revisions[i] = revision;
    this.#numbers[i] = number;
  }

  /** A write was acknowledged. */
  written(i: number, revision: number, number: number): void {
    this.fingerprint.add(revision);
    this.#revisions[i] = revision;
    this.#numbers[i] = number;
    this.#flags[i] = (this.#flags[i] & ~UNCERTAIN) | WRITTEN;
  }

  /** A deletion was acknowledged. */
  deleted(i: number, revision: number): void {
    this.written(i, revision, 0);
    this.#revisions[i] = 0;
  }

  /** A write failed, and whether it was done is not known. */
  uncertain(i: number): void {
    this.#flags[i] |= WRITTEN | UNCERTAIN;
    this.uncertainWrites++;
  }

  /** A write was refused since the object is not as it was thought to be: it has this revision, 0 when it is not there. */
  conflicted(i: number, revision: number): void {
    this.#flags[i] |= WRITTEN | UNCERTAIN;
    this.#revisions[i] = revision;
  }

  /** From here on writes are counted anew. */
  reset(): void {
    this.fingerprint = new Fingerprint();
    this.uncertainWrites = 0;
  }

  #grow(): void {
    const capacity = this.#flags.length * 2;
    const revisions = new Float64Array(capacity);
    const numbers = new Float64Array(capacity);
    const flags = new Uint8Array(capacity);
    revisions.set(this.#revisions);
    numbers.set(this.#numbers);
    flags.set(this.#flags);
    this.#revisions = revisions;
    this.#numbers = numbers;
    this.#flags = flags;
  }
}
