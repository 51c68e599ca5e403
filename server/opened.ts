/** What was opened so far, as the functions that close it. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Closes one after the other, the last opened first, and each of them even if one fails. */
  async close(): Promise<void> {
    const close = this.#closers.pop();
    if (close === undefined) return;
    try {
      await close();
    } finally {
      await this.close();
    }
  }
}
