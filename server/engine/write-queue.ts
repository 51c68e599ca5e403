/**
 * Proposals that wait until the journal has room for them, a queue for each partition and one for what has no key:
 *
 *                          weight 1   events   a b c d e f g …
 *     append ◄── rounds ◄──weight 16  leases   h
 *                          weight 1   pods     i j
 *
 * Who has few of them is not behind who has many: queues have their turns one after the other, and in its turn each may append
 * as many bytes as its weight allows. What it has not used it keeps for its next turn, so that a large record comes to its
 * turn as well, until it is empty (deficit round robin). A queue is bounded, so that who fills his own is refused, and no other.
 *
 * While the journal keeps up nobody waits here. Order is kept inside each queue; of two queues, nobody was promised any.
 */
import assert from "node:assert/strict";
import type { Identity } from "../../partitions/auth/authorization.ts";
import { PARTITION_QUEUE_BYTES_MAX, PARTITION_QUEUE_PROPOSALS_MAX } from "../limits.ts";
import type { AnyCommandKind } from "./command.ts";
import { PendingGrowth } from "./pending-growth.ts";
import type { Growth } from "./pending-growth.ts";
import type { Waiter } from "./proposal.ts";

/** What a queue of weight 1 may append in its turn. */
export const TURN_BYTES = 4 * 1024;

/** What a proposal costs besides its bytes: small ones are not for nothing. */
export const PROPOSAL_BYTES = 512;

/** A proposal that has no record in the journal yet. */
export interface WaitingProposal extends Growth {
  readonly kind: AnyCommandKind;
  readonly request: unknown;
  readonly record: Buffer;
  readonly identity: Identity | null;
  readonly waiter: Waiter;
  readonly proposedAtMs: number;
}

/** What is told of a queue. */
export interface QueueNumbers {
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Proposals that were refused for want of room, since the start. */
  readonly refused: number;
}

/** @typeParam Owner - whose queue it is, compared by identity */
export class WriteQueue<Owner> {
  readonly #weightOf: (owner: Owner) => number;
  readonly #lines = new Map<Owner, Line>();
  /** Those with proposals, the one whose turn it is in front. */
  readonly #turns = new Set<Line>();
  /** Of all that wait. */
  readonly growth = new PendingGrowth();
  #length = 0;
  #bytes = 0;

  /** @param weightOf a whole number from 1 on */
  constructor(weightOf: (owner: Owner) => number) {
    this.#weightOf = weightOf;
  }

  get length(): number {
    return this.#length;
  }

  /** Of all records that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False when the owner's queue is full: then the proposal is refused, and counts as that. */
  add(owner: Owner, proposal: WaitingProposal): boolean {
    const line = this.#lineOf(owner);
    if (line.isFull) {
      line.refused++;
      return false;
    }
    line.add(proposal);
    this.#turns.add(line);
    this.#length++;
    this.#bytes += proposal.record.length;
    this.growth.add(proposal);
    return true;
  }

  /** A proposal of this owner was refused because there were too many of all. */
  countRefused(owner: Owner): void {
    this.#lineOf(owner).refused++;
  }

  /** Takes out the next one in turn; null when none waits. */
  take(): WaitingProposal | null {
    for (;;) {
      const line = this.#turns.values().next().value;
      if (line === undefined) return null;
      const proposal = line.takeInTurn();
      if (proposal === null || line.length === 0) this.#turns.delete(line);
      if (proposal !== null) return this.#taken(proposal);
      // Its turn is over. The next one gives it more, so that the largest record comes to its turn.
      this.#turns.add(line);
    }
  }

  /** Takes out those that were proposed before a moment, the oldest of each queue first. */
  takeOlder(proposedBeforeMs: number): WaitingProposal[] {
    const taken: WaitingProposal[] = [];
    for (const line of this.#turns) {
      while (line.length > 0 && line.oldestProposedAtMs < proposedBeforeMs) taken.push(this.#taken(line.take()));
      if (line.length === 0) this.#turns.delete(line);
    }
    return taken;
  }

  takeAll(): WaitingProposal[] {
    return this.takeOlder(Number.POSITIVE_INFINITY);
  }

  numbersOf(owner: Owner): QueueNumbers {
    const line = this.#lines.get(owner);
    return line === undefined ? NONE : { waiting: line.length, waitingBytes: line.bytes, refused: line.refused };
  }

  /** Asserts that all counters agree. */
  verify(): void {
    let length = 0;
    let bytes = 0;
    for (const line of this.#lines.values()) {
      line.verify();
      assert(line.length > 0 === this.#turns.has(line), "who waits has turns, and nobody else");
      length += line.length;
      bytes += line.bytes;
    }
    assert(length === this.#length, "the length is that of all queues");
    assert(bytes === this.#bytes, "the bytes are those of all queues");
    assert(length > 0 || this.growth.bytes === 0, "what does not wait adds nothing");
  }

  #lineOf(owner: Owner): Line {
    let line = this.#lines.get(owner);
    if (line === undefined) {
      line = new Line(this.#weightOf(owner));
      this.#lines.set(owner, line);
    }
    return line;
  }

  #taken(proposal: WaitingProposal): WaitingProposal {
    this.#length--;
    this.#bytes -= proposal.record.length;
    this.growth.remove(proposal);
    return proposal;
  }
}

const NONE: QueueNumbers = { waiting: 0, waitingBytes: 0, refused: 0 };

/** The front of a line that was taken is cut off when it is longer than this and outweighs the rest. */
const TAKEN_KEPT_MAX = 1_024;

/** Of one owner, in the order in which they were proposed. */
class Line {
  bytes = 0;
  refused = 0;
  readonly #turnBytes: number;
  #proposals: WaitingProposal[] = [];
  /** Those before it have been taken. */
  #head = 0;
  /** What it may still append in this turn; between two turns, what it has kept of the last one. */
  #allowance = 0;
  #hasTurn = false;

  constructor(weight: number) {
    assert(Number.isInteger(weight) && weight >= 1, "each queue gets on in its turn");
    this.#turnBytes = weight * TURN_BYTES;
  }

  get length(): number {
    return this.#proposals.length - this.#head;
  }

  /** One may go beyond the bytes: else there would be records that fit nowhere. */
  get isFull(): boolean {
    return this.length >= PARTITION_QUEUE_PROPOSALS_MAX || this.bytes >= PARTITION_QUEUE_BYTES_MAX;
  }

  get oldestProposedAtMs(): number {
    return this.#proposals[this.#head].proposedAtMs;
  }

  add(proposal: WaitingProposal): void {
    this.#proposals.push(proposal);
    this.bytes += proposal.record.length;
  }

  /** Takes the first one if this turn, which begins if it has not, allows it. Null ends the turn. There is one. */
  takeInTurn(): WaitingProposal | null {
    if (!this.#hasTurn) this.#allowance += this.#turnBytes;
    const cost = this.#proposals[this.#head].record.length + PROPOSAL_BYTES;
    this.#hasTurn = cost <= this.#allowance;
    if (!this.#hasTurn) return null;
    this.#allowance -= cost;
    return this.take();
  }

  /** Takes the first one, whose turn it need not be. There is one. */
  take(): WaitingProposal {
    const proposal = this.#proposals[this.#head++];
    this.bytes -= proposal.record.length;
    if (this.length === 0) {
      this.#proposals = [];
      this.#head = 0;
      // Who does not wait saves nothing for later.
      this.#allowance = 0;
      this.#hasTurn = false;
    } else if (this.#head > TAKEN_KEPT_MAX && this.#head > this.#proposals.length / 2) {
      this.#proposals = this.#proposals.slice(this.#head);
      this.#head = 0;
    }
    return proposal;
  }

  verify(): void {
    let bytes = 0;
    for (let i = this.#head; i < this.#proposals.length; i++) {
      bytes += this.#proposals[i].record.length;
      if (i > this.#head) {
        assert(this.#proposals[i].proposedAtMs >= this.#proposals[i - 1].proposedAtMs, "the oldest is in front");
      }
    }
    assert(bytes === this.bytes, "the bytes are those that wait");
    assert(this.#allowance >= 0, "nobody takes more than his turn allows");
    assert(this.length > 0 || this.#allowance === 0, "who does not wait saves nothing");
  }
}
