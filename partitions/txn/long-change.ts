/**
 * A change that takes more than a turn: it is done in steps with other work between them, and committed by the last one. What
 * rests between two steps is hidden: who reads meanwhile reads what was before, and nothing else can be changed.
 *
 *     revision 7   ── step ── step ── step ── step, commit ──►   revision 8
 *     readers      7      7       7       7                  8
 *
 * It cannot be given up: what has begun is done to its end.
 */
import assert from "node:assert/strict";
import type { EncodedKv } from "../../proto/messages.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";

/** A change that looks at no more keys than this is done in one go. */
export const SHORT_CHANGE_KEYS = 2_000;

/** Is one step of the work; gives what all of it comes to. */
export type Steps<Result> = Generator<undefined, Result, undefined>;

/** What the work may do before it has to yield, and what it keeps for its answer. */
export class Allowance {
  /** How many keys are still to be looked at in this step. When none is left it ends. */
  keysLeft = 0;
  /** The bytes of kvs that an answer still has room for. Beyond it no more are kept: such an answer is not given. */
  bytesLeft: number;
  readonly #hold: Hold;

  constructor(hold: Hold, answerBytesMax: number) {
    this.#hold = hold;
    this.bytesLeft = answerBytesMax;
  }

  /** Keeps a kv for the answer, as it was given in this turn. False when there is no room for it, or for those before it. */
  keep(kv: EncodedKv): boolean {
    if (this.bytesLeft < 0) return false;
    this.bytesLeft -= kv.length;
    this.#hold.pinKv(kv);
    return true;
  }
}

export class LongChange<Response> {
  readonly #state: KeyspaceState;
  readonly #hold: Hold;
  readonly #allowance: Allowance;
  readonly #steps: Steps<Response>;
  #outcome: { readonly response: Response } | null = null;

  /**
   * Is hidden from then on, so that nothing else is changed before it is done.
   *
   * @param answerBytesMax an answer with more bytes of kvs is cut short behind the first that is too much
   */
  constructor(state: KeyspaceState, answerBytesMax: number, work: (allowance: Allowance) => Steps<Response>) {
    assert(!state.hasUncommitted, "a change begins when the one before is committed");
    this.#state = state;
    this.#hold = new Hold(state.held, state.revision);
    this.#hold.keepBytes();
    this.#allowance = new Allowance(this.#hold, answerBytesMax);
    this.#steps = work(this.#allowance);
    state.hide(true);
  }

  /** What it gives, when `step` has said true. Its kvs are there until `end`. */
  get response(): Response {
    assert(this.#outcome !== null, "the response is asked for when all is done");
    return this.#outcome.response;
  }

  /**
   * Looks at about so many keys, and deletes no more than that.
   *
   * @returns true when all is done and committed
   */
  step(maxKeys: number): boolean {
    assert(maxKeys > 0, "a step makes progress");
    assert(this.#outcome === null, "what is done has no further step");
    this.#state.hide(false);
    this.#allowance.keysLeft = maxKeys;
    const { done, value } = this.#steps.next();
    if (done === true) {
      this.#outcome = { response: value };
      this.#state.commit();
      return true;
    }
    this.#state.hide(true);
    return false;
  }

  /** Does all that is left at once. */
  finish(): Response {
    while (!this.step(Number.POSITIVE_INFINITY));
    return this.response;
  }

  /** Lets go of what its answer has. */
  end(): void {
    this.#hold.release();
  }
}
