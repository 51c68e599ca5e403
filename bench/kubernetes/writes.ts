/** Creates, updates and deletions of objects, as the apiservers make them: each by the next of them. */

import type { Apiserver, Operation } from "./apiserver.ts";
import { monotonicMs } from "./clock.ts";
import type { EventLeases } from "./event-leases.ts";
import type { MeasuredKind } from "./measured-kind.ts";
import { makeValue } from "./objects.ts";
import type { ObjectTable, ObjectWrite } from "./object-table.ts";
import { readConflict, readTxnOutcome } from "./replies.ts";
import { createRequest, deleteRequest, TXN_PATH, updateRequest } from "./txns.ts";

export interface LeasingApiserver {
  readonly apiserver: Apiserver;
  readonly leases: EventLeases;
}

const CREATE = 0;
const UPDATE = 1;
const DELETE = 2;

export class Writes {
  readonly #apiservers: readonly LeasingApiserver[];
  #next = 0;
  /** The number of the value made last. */
  #number = 0;

  constructor(apiservers: readonly LeasingApiserver[]) {
    this.#apiservers = apiservers;
  }

  /** A number that no other value has. */
  nextNumber(): number {
    return ++this.#number;
  }

  /** The apiserver whose turn it is. */
  turn(): LeasingApiserver {
    this.#next = (this.#next + 1) % this.#apiservers.length;
    return this.#apiservers[this.#next];
  }

  create(kind: MeasuredKind, table: ObjectTable, i: number, bytes: number, intendedMs: number): void {
    this.#write(CREATE, kind, table, i, bytes, intendedMs);
  }

  update(kind: MeasuredKind, table: ObjectTable, i: number, bytes: number, intendedMs: number): void {
    this.#write(UPDATE, kind, table, i, bytes, intendedMs);
  }

  delete(kind: MeasuredKind, table: ObjectTable, i: number, intendedMs: number): void {
    this.#write(DELETE, kind, table, i, 0, intendedMs);
  }

  #write(act: number, kind: MeasuredKind, table: ObjectTable, i: number, bytes: number, intendedMs: number): void {
    kind.due(intendedMs);
    table.acquire(i, new Write(act, kind, table, i, bytes, intendedMs, this.nextNumber(), this.turn()));
  }
}

/** One write from when it is due to its answer. */
class Write implements Operation, ObjectWrite {
  readonly kind: MeasuredKind;
  readonly intendedMs: number;
  readonly path = TXN_PATH;
  readonly #act: number;
  readonly #table: ObjectTable;
  readonly #i: number;
  readonly #bytes: number;
  readonly #number: number;
  readonly #by: LeasingApiserver;
  #lease = 0n;

  constructor(
    act: number,
    kind: MeasuredKind,
    table: ObjectTable,
    i: number,
    bytes: number,
    intendedMs: number,
    number: number,
    by: LeasingApiserver,
  ) {
    this.kind = kind;
    this.intendedMs = intendedMs;
    this.#act = act;
    this.#table = table;
    this.#i = i;
    this.#bytes = bytes;
    this.#number = number;
    this.#by = by;
  }

  /** No other write of the object is under way. */
  begin(): void {
    if (this.#act !== CREATE && this.#table.revision(this.#i) === 0) this.#fail("there is no such object");
    else if (this.#table.resource.leased) this.#beginLeased();
    else this.#by.apiserver.submit(this);
  }

  request(): Uint8Array {
    const key = this.#table.keys.key(this.#i);
    const revision = this.#table.revision(this.#i);
    if (this.#act === DELETE) return deleteRequest(key, revision);
    const value = makeValue(this.#bytes, this.intendedMs, this.#number);
    return this.#act === CREATE ? createRequest(key, value, this.#lease) : updateRequest(key, revision, value);
  }

  onReply(reply: Buffer): string | null {
    const { succeeded, revision } = readTxnOutcome(reply);
    if (!succeeded) this.#table.conflicted(this.#i, readConflict(reply));
    else if (this.#act === DELETE) this.#table.deleted(this.#i, revision);
    else this.#table.written(this.#i, revision, this.#number);
    this.#table.release(this.#i);
    // Nobody else writes it: without an error before, this is one of the server's.
    return succeeded ? null : "the object is not as the last answer left it";
  }

  onFailure(): void {
    this.#table.uncertain(this.#i);
    this.#table.release(this.#i);
  }

  #beginLeased(): void {
    this.#by.leases.take(1, (lease, error) => {
      if (error !== null) return this.#fail(error);
      this.#lease = lease;
      this.#by.apiserver.submit(this);
    });
  }

  /** It is not sent, since what it needs is not there: what came before it failed. */
  #fail(why: string): void {
    this.#by.apiserver.errors.add(`${this.kind.name}: ${why}`);
    this.kind.answered(this.intendedMs, monotonicMs(), false);
    this.#table.release(this.#i);
  }
}
