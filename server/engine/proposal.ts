/** A command that this member has proposed, between the journal and its execution. */
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { Copies } from "../../partitions/txn/copies.ts";
import type { AnyCommandKind } from "./command.ts";
import type { Growth } from "./pending-growth.ts";

/** Who waits for a proposal. Exactly one of the two is called, once, and never before `propose` has returned. */
export interface Waiter<Response = unknown> {
  /**
   * The outcome is certain: the record is committed and executed, and gave the response without header; or nothing has
   * happened and nothing will, and this is why. Then there may be no record.
   */
  onApplied(outcome: Response | Refusal): void;
  /** The proposal did not commit in time, or its reign ended: whether it took effect is unknown. */
  onLost(reason: Refusal): void;
}

export class Proposal implements Growth {
  /** Of its record in the journal. */
  readonly position: number;
  readonly kind: AnyCommandKind;
  readonly request: unknown;
  readonly identity: Identity | null;
  readonly proposedAtMs: number;
  readonly broughtBytes: number;
  readonly copiedBytes: number;
  readonly copies: Copies | null;
  /** Null once it was told that the outcome is unknown. */
  waiter: Waiter | null;

  constructor(
    position: number,
    kind: AnyCommandKind,
    request: unknown,
    identity: Identity | null,
    waiter: Waiter,
    proposedAtMs: number,
    broughtBytes: number,
    copiedBytes: number,
    copies: Copies | null,
  ) {
    this.position = position;
    this.kind = kind;
    this.request = request;
    this.identity = identity;
    this.waiter = waiter;
    this.proposedAtMs = proposedAtMs;
    this.broughtBytes = broughtBytes;
    this.copiedBytes = copiedBytes;
    this.copies = copies;
  }
}
