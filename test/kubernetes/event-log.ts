/** Events in the order of their arrival, and a way to wait for one without asking again and again. */

const waitMillisecondsMax = 30_000;

export class EventLog<T> {
  readonly #name: string;
  readonly #events: T[] = [];
  readonly #waiters = new Set<() => void>();
  #failure: Error | null = null;

  constructor(name: string) {
    this.#name = name;
  }

  /** All so far. */
  get all(): readonly T[] {
    return this.#events;
  }

  push(event: T): void {
    this.#events.push(event);
    for (const waiter of this.#waiters) waiter();
  }

  /** No event comes after this: whoever waits, or will wait, gets the error. The first one counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters) waiter();
  }

  /** Gives the first event, past or future, for which `matches` holds. */
  async first(what: string, matches: (event: T) => boolean, millisecondsMax = waitMillisecondsMax): Promise<T> {
    let next = 0;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = (): void => {
      for (; next < this.#events.length; next++) {
        const event = this.#events[next];
        if (event !== undefined && matches(event)) return resolve(event);
      }
      if (this.#failure !== null) reject(new Error(`${this.#name} ended without ${what}`, { cause: this.#failure }));
    };
    const timer = setTimeout(() => {
      const last = JSON.stringify(this.#events.slice(-3));
      reject(new Error(`${this.#name} did not show ${what} in time; ${this.#events.length} events, the last: ${last}`));
    }, millisecondsMax);
    this.#waiters.add(look);
    try {
      look();
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(look);
    }
  }
}
