/** The calls that wait for a lock or for the lead: how many there may be, and what becomes of one when its client has gone. */
import { Refusal } from "../../../partitions/refusals.ts";
import { CANCELED, INTERNAL, UNKNOWN } from "../../../proto/grpc-codes.ts";
import type { EventLog } from "../../engine/event-log.ts";
import { TOO_MANY_REQUESTS } from "../../engine/refusals.ts";
import { CONTENDERS_MAX } from "../../limits.ts";
import type { Status, StreamListener, UnaryCall } from "../../transport/service.ts";
import { failed, SILENT } from "../method.ts";

/** Nobody hears it. */
export const GONE = new Refusal(CANCELED, "context canceled");

/** What it waited for has thrown: a fault of the server's, which costs this call and no other. */
const FAILED: Status = { code: INTERNAL, message: "internal server error" };

/**
 * What a call is told of a refusal that another service gave. etcd's services hand on the errors of its client, and grpc-go
 * knows no code for one of them.
 */
export function handedOn({ code, message }: Refusal): Status {
  return { code: message.startsWith("etcdserver: ") ? UNKNOWN : code, message };
}

export class WaitingCalls {
  readonly #log: EventLog;
  readonly #callsMax: number;
  #count = 0;

  constructor(log: EventLog, callsMax: number = CONTENDERS_MAX) {
    this.#log = log;
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
    // It answers in any case.
    void this.answer(call, wait(gone.signal)).finally(() => this.leave());
    return { ...SILENT, onClose: () => gone.abort() };
  }

  /** Answers a call with what a promise comes to. Never rejects. */
  async answer(call: UnaryCall, outcome: Promise<Buffer | Refusal>): Promise<void> {
    const answer = await outcome.catch((error: unknown) => this.failedWith(error));
    if (Buffer.isBuffer(answer)) call.reply(answer);
    else call.fail(answer instanceof Refusal ? handedOn(answer) : answer);
  }

  /** Tells the operator of what should not be. @returns what the client is told */
  failedWith(error: unknown): Status {
    this.#log.warn({ error }, "a call of a lock or an election failed");
    return FAILED;
  }
}
