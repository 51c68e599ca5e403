/** The server under test, and when it was in trouble: what is asked of it then may take its time. */
import type { PlinthProcess } from "../support/plinth-process.ts";

/** A server that was stopped or begins anew needs a moment until all clients are back. */
const AFTERMATH_MS = 1_000;

interface Trouble {
  readonly fromMs: number;
  /** Infinite while it lasts. */
  untilMs: number;
}

export class TestedServer {
  readonly plinth: PlinthProcess;
  /** How often each kind of trouble came. */
  readonly counts = new Map<string, number>();
  #troubles: Trouble[] = [];

  constructor(plinth: PlinthProcess) {
    this.plinth = plinth;
  }

  get url(): string {
    return this.plinth.url;
  }

  /** Whether nothing was wrong at any time between two moments of performance.now(). */
  wasWell(fromMs: number, untilMs: number): boolean {
    return !this.#troubles.some((trouble) => trouble.fromMs <= untilMs && trouble.untilMs >= fromMs);
  }

  /** Lets it go wrong for as long as `trouble` lasts. */
  async during(kind: string, trouble: () => Promise<void>): Promise<void> {
    const begun: Trouble = { fromMs: performance.now(), untilMs: Number.POSITIVE_INFINITY };
    // No call is on its way that long.
    this.#troubles = this.#troubles.filter(({ untilMs }) => untilMs > begun.fromMs - 600_000);
    this.#troubles.push(begun);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    await trouble();
    begun.untilMs = performance.now() + AFTERMATH_MS;
  }
}
