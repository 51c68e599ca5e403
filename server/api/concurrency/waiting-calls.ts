/** The calls that wait for a lock or for the lead: how many there may be, and what becomes of one when its client has gone. */
import { Refusal } from "../../../partitions/refusals.ts";
import { CANCELED, UNKNOWN } from "../../../proto/grpc-codes.ts";
import { TOO_MANY_REQUESTS } from "../../engine/refusals.ts";
import { CONTENDERS_MAX } from "../../limits.ts";
import type { Status, StreamListener, UnaryCall } from "../../transport/service.ts";
import { failed, SILENT } from "../method.ts";

/** Nobody hears it. */
export const GONE = new Refusal(CANCELED, "context canceled");

/**
 * What a call is told of a refusal that another service gave. etcd's services hand on the errors of its client, and grpc-go
 * knows no code for one of them.
 */
export function handedOn({ code, message }: Refusal): Status {
  return { code: message.startsWith("etcdserver: ") ? UNKNOWN : code, message };
}

export class WaitingCalls {
  readonly #callsMax: number;
  #count = 0;

  constructor(callsMax: number = CONTENDERS_MAX) {
    this.#callsMax = callsMax;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Takes a place, which `leave` gives back. */
  enter(): boolean {
    if (this.#count >= this.#callsMax) return false;
    this.#count++;
    return true;
  }

  leave(): void {
    this.#count--;
  }

  /**
   * Answers a call with what `wait` comes to. It is told by the signal when the client has gone, and the call has its place
   * until it has ended.
   */
  run(call: UnaryCall, wait: (signal: AbortSignal) => Promise<Buffer | Refusal>): StreamListener {
    if (!this.enter()) return failed(call, TOO_MANY_REQUESTS);
    const gone = new AbortController();
    void this.#answer(call, wait(gone.signal));
    return { ...SILENT, onClose: () => gone.abort() };
  }

  async #answer(call: UnaryCall, outcome: Promise<Buffer | Refusal>): Promise<void> {
    const answer = await outcome;
    this.leave();
    if (answer instanceof Refusal) call.fail(handedOn(answer));
    else call.reply(answer);
  }
}
