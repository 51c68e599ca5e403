/**
 * Tells of calls that took longer than --warning-unary-request-duration. The most frequent ones are not measured, as
 * each look at the clock would be felt: a write is told of when its run has been executed (`engine/slow-runs.ts`), and a
 * read in one go cannot take long without the whole server standing still.
 */
import type { Clock } from "../clock.ts";
import { durationText } from "../engine/event-log.ts";
import type { EventLog } from "../engine/event-log.ts";
import type { CallMetadata, MessageParts, Method, Status, UnaryCall } from "../transport/service.ts";

export class SlowCalls {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #log: EventLog;
  readonly #warningMs: number;

  /** @param warningMs --warning-unary-request-duration */
  constructor(clock: Pick<Clock, "nowMs">, log: EventLog, warningMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#warningMs = warningMs;
  }

  /**
   * Begins to measure a call.
   *
   * @param path of its method
   * @param prefix of its key
   * @returns what is to be called when it is answered
   */
  begin(path: string, prefix: string): () => void {
    const startedMs = this.#clock.nowMs();
    return () => {
      const tookMs = this.#clock.nowMs() - startedMs;
      if (tookMs <= this.#warningMs) return;
      const fields = {
        "time spent": durationText(tookMs),
        "expected-duration": durationText(this.#warningMs),
        "response type": path,
        prefix,
      };
      this.#log.warn(fields, "request stats");
    };
  }

  /** The same method, of which each call is measured. */
  measured(method: Method): Method {
    if (method.kind !== "unary") return method;
    const { kind, path } = method;
    return {
      kind,
      path,
      handle: (call, message) => method.handle(new MeasuredCall(call, this.begin(path, "")), message),
    };
  }
}

class MeasuredCall implements UnaryCall {
  readonly #call: UnaryCall;
  readonly #end: () => void;

  constructor(call: UnaryCall, end: () => void) {
    this.#call = call;
    this.#end = end;
  }

  get metadata(): CallMetadata {
    return this.#call.metadata;
  }

  get certifiedUser(): string | null {
    return this.#call.certifiedUser ?? null;
  }

  get connection(): unknown {
    return this.#call.connection;
  }

  get closed(): boolean {
    return this.#call.closed;
  }

  reply(message: Uint8Array): void {
    this.#end();
    this.#call.reply(message);
  }

  replyParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    this.#end();
    this.#call.replyParts(parts, length, onTaken);
  }

  fail(status: Status): void {
    this.#end();
    this.#call.fail(status);
  }
}
