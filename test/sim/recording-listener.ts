/** A journal's listener that remembers what it was told, and lets a test wait for it. */
import type { JournalListener } from "../../journal/journal.ts";

export class RecordingListener implements JournalListener {
  committed = 0;
  readonly commits: number[] = [];
  readonly failures: Error[] = [];
  /** What it was told of stalls: a reason when one began, null when one had passed. */
  readonly stalls: (Error | null)[] = [];
  #waiters: (() => void)[] = [];

  onCommitted(committed: number): void {
    this.committed = committed;
    this.commits.push(committed);
    this.#wake();
  }

  onFailed(error: Error): void {
    this.failures.push(error);
    this.#wake();
  }

  onStalled(reason: Error | null): void {
    this.stalls.push(reason);
    this.#wake();
  }

  /** Resolves when a stall has begun or passed so many times in all. */
  async untilStalls(count: number): Promise<void> {
    while (this.stalls.length < count) await this.#change();
  }

  /** Resolves when `position` is committed. */
  async untilCommitted(position: number): Promise<void> {
    while (this.committed < position) await this.#change();
  }

  /** Resolves to the failure. */
  async untilFailed(): Promise<Error> {
    while (this.failures.length === 0) await this.#change();
    return this.failures[0];
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
