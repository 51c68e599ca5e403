/** Carries the outcome of a proposal to the unary call that waits for it. */
import { Refusal } from "../../partitions/refusals.ts";
import type { Waiter } from "../engine/proposal.ts";
import type { UnaryCall } from "../transport/service.ts";

/** Answers the call with what executing its command gave. */
export type Reply<Response> = (call: UnaryCall, response: Response) => void;

export class CallWaiter<Response> implements Waiter<Response> {
  readonly #call: UnaryCall;
  readonly #reply: Reply<Response>;

  constructor(call: UnaryCall, reply: Reply<Response>) {
    this.#call = call;
    this.#reply = reply;
  }

  onApplied(outcome: Response | Refusal): void {
    if (outcome instanceof Refusal) this.#call.fail(outcome);
    else this.#reply(this.#call, outcome);
  }

  onLost(reason: Refusal): void {
    this.#call.fail(reason);
  }
}
