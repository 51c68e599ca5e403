/**
 * The calls of one apiserver: a connection with a bound on what is in flight. What comes beyond it waits its turn here, is
 * late, and counts as late.
 */

import type { LatencyHistogram } from "../client/latency-histogram.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { monotonicMs } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import type { MeasuredKind } from "./measured-kind.ts";

const IN_FLIGHT_MAX = 500;
const ERROR_TEXTS_MAX = 5;

/** One call that is meant to begin at some time. */
export interface Operation {
  readonly kind: MeasuredKind;
  readonly intendedMs: number;
  readonly path: string;
  /** What is sent, asked for when it is; a view that holds until the next call. */
  request(): Uint8Array;
  /** Takes the reply, a view that holds until this returns. Tells what is wrong, or null. */
  onReply(reply: Buffer): string | null;
  /** The call failed: what it did is not known. */
  onFailure(): void;
}

/** Texts of errors, each once, the first few. */
export class ErrorTexts {
  readonly #texts = new Set<string>();

  add(text: string): void {
    if (this.#texts.size < ERROR_TEXTS_MAX) this.#texts.add(text);
  }

  list(): string[] {
    return [...this.#texts];
  }
}

export class Apiserver {
  readonly client: LeanClient;
  readonly errors: ErrorTexts;
  /** How long operations waited until they were sent. */
  startedLate: LatencyHistogram | null = null;
  #inFlight = 0;
  /** A run asks no more when too many wait (`OPEN_MAX` of callers.ts). */
  readonly #waiting = new Fifo<Operation>();

  constructor(client: LeanClient, errors: ErrorTexts) {
    this.client = client;
    this.errors = errors;
  }

  submit(operation: Operation): void {
    if (this.#inFlight >= IN_FLIGHT_MAX) this.#waiting.push(operation);
    else this.#start(operation);
  }

  #start(operation: Operation): void {
    const { kind, intendedMs, path } = operation;
    this.#inFlight++;
    this.startedLate?.add(monotonicMs() - intendedMs);
    this.client.unary(path, operation.request(), (status, reply, text) => {
      this.#inFlight--;
      const nowMs = monotonicMs();
      let wrong: string | null;
      if (status === 0) {
        wrong = operation.onReply(reply);
      } else {
        wrong = `${path} failed with status ${status}: ${text}`;
        operation.onFailure();
      }
      if (wrong !== null) this.errors.add(`${kind.name}: ${wrong}`);
      kind.answered(intendedMs, nowMs, wrong === null);
      const next = this.#waiting.take();
      if (next !== undefined) this.#start(next);
    });
  }
}
