/** How far a command has come, on a terminal's last line, and nowhere else. */
import process from "node:process";

const EVERY_MS = 100;

export class Progress {
  #toldAtMs = 0;
  #isShown = false;

  /** @param of null where that is not known */
  tell(what: string, done: number, of: number | null): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.#toldAtMs < EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#isShown = true;
    const share = of === null ? "" : `, ${of === 0 ? 100 : Math.floor((done / of) * 100)} %`;
    process.stderr.write(`\r${done} ${what}${share}\u001b[K`);
  }

  /** What follows is told on a line of its own. */
  end(): void {
    if (this.#isShown) process.stderr.write("\r\u001b[K");
    this.#isShown = false;
  }
}
