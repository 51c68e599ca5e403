/**
 * Answers about leases that list very many keys or ids. They list what there was at one moment, and are made in slices with
 * a turn of the event loop between them, few at a time; the others wait in the order they came.
 */
import type { Buffer } from "node:buffer";
import { leaseKeysPart, leaseStatusesPart } from "../../proto/lease-lists.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { LeaseKeyReader } from "../../partitions/walk/lease-keys.ts";
import type { LeasedKeysReader } from "../../partitions/walk/leased-keys-reader.ts";
import type { Turns } from "../clock.ts";
import type { LeaseOrder } from "../engine/lease-order.ts";
import { LEASE_LIST_SLICE, LEASE_LISTS_RUNNING_MAX, LEASE_LISTS_WAITING_MAX } from "../limits.ts";
import type { UnaryCall } from "../transport/service.ts";
import { SlicedJobs } from "./sliced-jobs.ts";
import type { SlicedJob } from "./sliced-jobs.ts";

/** A list that is given in parts, as encoded fields. */
export interface LeaseList {
  /** Whether all has been given. */
  readonly finished: boolean;
  /** Works for about so many entries and gives what that brings, which may be nothing; or why the list is not for its caller. */
  next(maxEntries: number): Buffer | Refusal | null;
  /** Lets go of what it has taken, whether all was given or not. */
  end(): void;
}

/** Begins an answer: all of it but the list, and the list; or says why there is none, or with null that it is not known yet. */
export type OpenList = () => { readonly start: Buffer; readonly list: LeaseList } | Refusal | null;

export class LongLeaseLists {
  readonly #jobs: SlicedJobs;

  constructor(turns: Turns) {
    this.#jobs = new SlicedJobs(turns, LEASE_LISTS_RUNNING_MAX, LEASE_LISTS_WAITING_MAX);
  }

  /**
   * Answers the call in a later turn. When too many wait already it fails.
   *
   * @param open called when its turn has come, which is now unless others are before it
   * @param answer takes the parts of the message
   */
  answer(call: UnaryCall, open: OpenList, answer: (parts: Buffer[], length: number) => void): void {
    this.#jobs.add(new ListJob(call, open, answer));
  }
}

/** Of a lease that has gone while its turn came. */
export const NO_LIST: LeaseList = { finished: true, next: () => null, end: () => {} };

/** Why a caller may not read a key, or null. */
export type RefuseKey = (key: Buffer) => Refusal | null;

/** The keys that are attached to a lease now, of which each must be one that may be read. */
export class LeaseKeys implements LeaseList {
  readonly #keys: LeaseKeyReader;
  readonly #refuse: RefuseKey;

  constructor(keys: LeaseKeyReader, refuse: RefuseKey) {
    this.#keys = keys;
    this.#refuse = refuse;
    keys.hold.take();
  }

  get finished(): boolean {
    return this.#keys.finished;
  }

  next(maxEntries: number): Buffer | Refusal | null {
    const keys = this.#keys.next(maxEntries);
    const refused = firstRefusal(keys, this.#refuse);
    if (refused !== null) return refused;
    return keys.length === 0 ? null : leaseKeysPart(keys);
  }

  end(): void {
    this.#keys.hold.release();
  }
}

/** The ids of leases. */
export class LeaseIds implements LeaseList {
  readonly #order: LeaseOrder;

  constructor(order: LeaseOrder) {
    this.#order = order;
  }

  get finished(): boolean {
    return this.#order.finished;
  }

  next(maxEntries: number): Buffer | null {
    const ids = this.#order.next(maxEntries);
    return ids.length === 0 ? null : leaseStatusesPart(ids);
  }

  end(): void {
    this.#order.end();
  }
}

/**
 * The same for who must be one that may read the keys of all leases, which are gone through before. While a long change is under
 * way, which keys leases have is known when that is done.
 */
export class PermittedLeaseIds implements LeaseList {
  readonly #ids: LeaseIds;
  readonly #keys: LeasedKeysReader;
  readonly #refuse: RefuseKey;
  readonly #isChanging: () => boolean;

  constructor(ids: LeaseIds, keys: LeasedKeysReader, refuse: RefuseKey, isChanging: () => boolean) {
    this.#ids = ids;
    this.#keys = keys;
    this.#refuse = refuse;
    this.#isChanging = isChanging;
  }

  get finished(): boolean {
    return this.#keys.finished && this.#ids.finished;
  }

  next(maxEntries: number): Buffer | Refusal | null {
    if (this.#keys.finished) return this.#ids.next(maxEntries);
    return this.#isChanging() ? null : this.#check(maxEntries);
  }

  end(): void {
    this.#keys.end();
  }

  #check(maxEntries: number): Refusal | null {
    for (let left = maxEntries; left > 0 && !this.#keys.finished; left--) {
      const keys = this.#keys.next(left);
      const refused = firstRefusal(keys, this.#refuse);
      if (refused !== null) return refused;
      left -= keys.length;
    }
    return null;
  }
}

function firstRefusal(keys: readonly Buffer[], refuse: RefuseKey): Refusal | null {
  for (const key of keys) {
    const refused = refuse(key);
    if (refused !== null) return refused;
  }
  return null;
}

class ListJob implements SlicedJob {
  readonly call: UnaryCall;
  readonly #open: OpenList;
  readonly #answer: (parts: Buffer[], length: number) => void;
  readonly #parts: Buffer[] = [];
  #length = 0;
  #list: LeaseList | null = null;

  constructor(call: UnaryCall, open: OpenList, answer: (parts: Buffer[], length: number) => void) {
    this.call = call;
    this.#open = open;
    this.#answer = answer;
  }

  begin(): boolean {
    return !this.#isRefused();
  }

  step(): boolean {
    const list = this.#list;
    if (list === null) return this.#isRefused();
    const part = list.next(LEASE_LIST_SLICE);
    if (part instanceof Refusal) {
      this.call.fail(part);
      return true;
    }
    if (part !== null) this.#add(part);
    if (!list.finished) return false;
    this.#answer(this.#parts, this.#length);
    return true;
  }

  end(): void {
    this.#list?.end();
  }

  /** Opens the list, if that can be done now. True when the call was refused. */
  #isRefused(): boolean {
    const opened = this.#open();
    if (opened instanceof Refusal) {
      this.call.fail(opened);
      return true;
    }
    if (opened === null) return false;
    this.#list = opened.list;
    this.#add(opened.start);
    return false;
  }

  #add(part: Buffer): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
  }
}
