/** Creates, updates and deletions of objects, as the apiservers make them: each by the next of them. */

import { monotonicMs } from "./clock.ts";
import type { Apiserver, Operation } from "./apiserver.ts";
import type { EventLeases } from "./event-leases.ts";
import type { MeasuredKind } from "./measured-kind.ts";
import { makeValue } from "./objects.ts";
import type { ObjectTable } from "./object-table.ts";
import { readConflict, readTxnOutcome } from "./replies.ts";
import { createRequest, deleteRequest, TXN_PATH, updateRequest } from "./txns.ts";

export interface LeasingApiserver {
  readonly apiserver: Apiserver;
  readonly leases: EventLeases;
}

export class Writes {
  readonly #apiservers: readonly LeasingApiserver[];
  #next = 0;
  /** The number of the value written last. */
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
    kind.due(intendedMs);
    const { apiserver, leases } = this.turn();
    const submit = (lease: bigint): void => {
      const number = this.nextNumber();
      apiserver.submit(
        new Write(kind, table, i, number, intendedMs, () =>
          createRequest(table.keys.key(i), makeValue(bytes, intendedMs, number), lease),
        ),
      );
    };
    table.acquire(i, () => {
      if (!table.resource.leased) return submit(0n);
      leases.take(1, (lease, error) => {
        if (error === null) return submit(lease);
        this.#fail(apiserver, kind, table, i, intendedMs, error);
      });
    });
  }

  update(kind: MeasuredKind, table: ObjectTable, i: number, bytes: number, intendedMs: number): void {
    kind.due(intendedMs);
    table.acquire(i, () => {
      const { apiserver } = this.turn();
      if (table.revision(i) === 0) return this.#fail(apiserver, kind, table, i, intendedMs, "there is no such object");
      const number = this.nextNumber();
      apiserver.submit(
        new Write(kind, table, i, number, intendedMs, () =>
          updateRequest(table.keys.key(i), table.revision(i), makeValue(bytes, intendedMs, number)),
        ),
      );
    });
  }

  delete(kind: MeasuredKind, table: ObjectTable, i: number, intendedMs: number): void {
    kind.due(intendedMs);
    table.acquire(i, () => {
      const { apiserver } = this.turn();
      if (table.revision(i) === 0) return this.#fail(apiserver, kind, table, i, intendedMs, "there is no such object");
      apiserver.submit(
        new Write(kind, table, i, 0, intendedMs, () => deleteRequest(table.keys.key(i), table.revision(i))),
      );
    });
  }

  /** One that is not sent, since what it needs is not there: what came before it failed. */
  #fail(
    { errors }: Apiserver,
    kind: MeasuredKind,
    table: ObjectTable,
    i: number,
    intendedMs: number,
    why: string,
  ): void {
    errors.add(`${kind.name}: ${why}`);
    kind.answered(intendedMs, monotonicMs(), false);
    table.release(i);
  }
}

class Write implements Operation {
  readonly kind: MeasuredKind;
  readonly intendedMs: number;
  readonly path = TXN_PATH;
  readonly request: () => Uint8Array;
  readonly #table: ObjectTable;
  readonly #i: number;
  /** The number of its value; 0 for a deletion. */
  readonly #number: number;

  constructor(
    kind: MeasuredKind,
    table: ObjectTable,
    i: number,
    number: number,
    intendedMs: number,
    request: () => Uint8Array,
  ) {
    this.kind = kind;
    this.intendedMs = intendedMs;
    this.request = request;
    this.#table = table;
    this.#i = i;
    this.#number = number;
  }

  onReply(reply: Buffer): string | null {
    const { succeeded, revision } = readTxnOutcome(reply);
    if (!succeeded) this.#table.conflicted(this.#i, readConflict(reply));
    else if (this.#number === 0) this.#table.deleted(this.#i, revision);
    else this.#table.written(this.#i, revision, this.#number);
    this.#table.release(this.#i);
    // Nobody else writes it: without an error before, this is one of the server's.
    return succeeded ? null : "the object is not as the last answer left it";
  }

  onFailure(): void {
    this.#table.uncertain(this.#i);
    this.#table.release(this.#i);
  }
}
