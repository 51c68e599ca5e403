/**
 * What a person at a terminal sees of a start, in place of the log: where the server listens, where the data is, and the
 * next command to type. A log that somebody asked for is not replaced.
 */

/** Where the text goes: a terminal, which takes it at once. */
export interface Terminal {
  write(text: string): unknown;
}

const BAR_WIDTH = 30;

/** To the end of the line. */
const CLEAR = "\u001b[K";

/** A server that listens everywhere is reached here. */
const EVERYWHERE = /\/\/(?:0\.0\.0\.0|\[::\]):/;

/** Where etcdctl looks when it is told nothing. */
const ETCDCTL_DEFAULT = /^http:\/\/(?:127\.0\.0\.1|localhost):2379$/;

export class StartScreen {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  begin(version: string, etcdVersion: string): void {
    this.#terminal.write(`Plinth ${version}, with the API of etcd ${etcdVersion}\n`);
  }

  /** One line that the next call writes over, and a line of the log, too. */
  progress(share: number, text: string): void {
    const filled = Math.round(share * BAR_WIDTH);
    const bar = "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled);
    this.#terminal.write(`  [${bar}] ${text}${CLEAR}\r`);
  }

  ready(urls: readonly string[], dataDir: string): void {
    const lines = [
      "",
      `  Address    ${urls.join("\n             ")}`,
      `  Data       ${dataDir}`,
      `  Try        ${tryCommand(urls[0])}`,
      "",
      "Ready. Ctrl+C stops it.",
    ];
    this.#terminal.write(`${CLEAR}${lines.join("\n")}\n`);
  }

  stopping(): void {
    this.#terminal.write(`${CLEAR}\nStopping\n`);
  }

  stopped(): void {
    this.#terminal.write("Stopped\n");
  }
}

function tryCommand(url: string): string {
  const endpoint = url.replace(EVERYWHERE, "//127.0.0.1:");
  const where = ETCDCTL_DEFAULT.test(endpoint) ? "" : ` --endpoints=${endpoint}`;
  return `etcdctl${where} put greeting hello`;
}
