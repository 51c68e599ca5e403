/** Who works on passwords with bcrypt: a thread, where there may be one. */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";

/** Has one thing to do at a time. */
export interface Hasher {
  /** Both reject when they cannot be done; the next order is no worse for it. */
  hash(password: string, cost: number): Promise<string>;
  matches(password: string, hash: string): Promise<boolean>;
  /** Gives up what it does, whose promise is never settled. False when it cannot. */
  drop(): boolean;
}

export type HashOrder =
  | { readonly kind: "hash"; readonly password: string; readonly cost: number }
  | { readonly kind: "matches"; readonly password: string; readonly hash: string };

/** On the thread of who asks, which stands still for 100 ms at a time: for a process that may have no more threads. */
export const LOOP_HASHER: Hasher = {
  // A server without users need not load it.
  hash: async (password, cost) => (await import("./bcrypt.ts")).bcryptHash(password, cost),
  matches: async (password, hash) => (await import("./bcrypt.ts")).bcryptMatches(password, hash),
  drop: () => false,
};

export class ThreadHasher implements Hasher {
  /** Begun with the first order: most servers have no users. */
  #thread: Worker | null = null;
  #resolve: ((answer: unknown) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;

  async hash(password: string, cost: number): Promise<string> {
    // Casts: what the thread answers to such an order.
    return (await this.#order({ kind: "hash", password, cost })) as string;
  }

  async matches(password: string, hash: string): Promise<boolean> {
    return (await this.#order({ kind: "matches", password, hash })) as boolean;
  }

  drop(): boolean {
    this.#resolve = null;
    this.#reject = null;
    const thread = this.#thread;
    this.#thread = null;
    void thread?.terminate();
    return true;
  }

  #order(order: HashOrder): Promise<unknown> {
    assert(this.#resolve === null, "it has one thing to do at a time");
    this.#thread ??= this.#begin();
    this.#thread.postMessage(order, []);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#resolve = resolve;
    this.#reject = reject;
    return promise;
  }

  #begin(): Worker {
    const thread = new Worker(new URL("./password-thread.ts", import.meta.url), { name: "passwords" });
    thread.unref();
    thread.on("message", (answer: unknown) => {
      if (this.#thread !== thread) return;
      const resolve = this.#resolve;
      this.#resolve = null;
      this.#reject = null;
      resolve?.(answer);
    });
    thread.on("error", (error) => this.#fail(thread, error));
    thread.on("exit", (code) => this.#fail(thread, new Error(`the thread for passwords ended with ${code}`)));
    return thread;
  }

  /** The next order begins another thread. */
  #fail(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    const reject = this.#reject;
    this.drop();
    reject?.(error);
  }
}
