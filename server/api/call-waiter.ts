/** Carries the outcome of a proposal to the unary call that waits for it. */
import { Refusal } from "../../partitions/refusals.ts";
import type { Waiter } from "../engine/committer.ts";
import type { Outcome } from "../engine/record.ts";
import type { Status, UnaryCall } from "../transport/service.ts";

/** Answers the call. The outcome is never a refusal here, but what executing the call's own kind of command gives. */
export type Reply = (call: UnaryCall, outcome: Outcome) => void;

export class CallWaiter implements Waiter {
  readonly #call: UnaryCall;
  readonly #reply: Reply;

  constructor(call: UnaryCall, reply: Reply) {
    this.#call = call;
    this.#reply = reply;
  }

  onApplied(outcome: Outcome): void {
    if (outcome instanceof Refusal) this.#call.fail(outcome);
    else this.#reply(this.#call, outcome);
  }

  onLost(status: Status): void {
    this.#call.fail(status);
  }
}
