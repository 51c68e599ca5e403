/** A Plinth that is killed and started again, on one directory. */
import path from "node:path";
import { EtcdClient } from "../../support/etcd-client.ts";
import { delay } from "../../support/delay.ts";
import type { PlinthProcess } from "../../support/plinth-process.ts";
import { startPlinth } from "../../support/plinth-process.ts";
import { Subject } from "./subject.ts";

const mainFile = path.join(import.meta.dirname, "small-segments-main.ts");

/** Progress as often as etcd allows, and fragments from about 600 KiB on. */
const FLAGS = [
  "--watch-progress-notify-interval=100ms",
  "--max-request-bytes=100000",
  // Kills come in the midst of snapshots, and starts begin with them.
  "--snapshot-tail-records=150",
];

export class KilledServer extends Subject {
  #servingSinceMs = 0;
  readonly #plinth: PlinthProcess;

  /** Starts a server on an empty directory. */
  static async start(): Promise<KilledServer> {
    const startedMs = performance.now();
    const server = new KilledServer(await startPlinth({ mainFile, flags: FLAGS }));
    await server.#serve(startedMs);
    return server;
  }

  private constructor(plinth: PlinthProcess) {
    super();
    this.#plinth = plinth;
  }

  protected get url(): string {
    return this.#plinth.url;
  }

  get journalDirectory(): string {
    return path.join(this.#plinth.dataDir, "journal", "zone-a");
  }

  /** How long the server has served since it was started last. */
  get uptimeMs(): number {
    return performance.now() - this.#servingSinceMs;
  }

  /** From now on until the end of the server no client hears its answers. */
  deafen(): void {
    for (const { etcd } of this.clients) etcd.lean.pauseReading();
  }

  /** Ends the server as a crash would, or politely: then, too, calls on their way may be lost. */
  async end(how: "kill" | "stop"): Promise<void> {
    this.isDown = true;
    const killedAt = this.recorder.tick();
    await (how === "kill" ? this.#plinth.kill() : this.#plinth.stop());
    this.recorder.endRun(killedAt);
    // The deaf ones would not notice.
    this.closeClients();
  }

  /** Starts the server and kills it after that time, whether it serves by then or not. */
  async startAndKill(milliseconds: number): Promise<void> {
    const started = this.#plinth.start().catch(() => undefined);
    await delay(milliseconds);
    await this.#plinth.kill();
    await started;
  }

  async restart(): Promise<void> {
    const startedMs = performance.now();
    await this.#plinth.start();
    await this.#serve(startedMs);
  }

  async remove(): Promise<void> {
    await this.#plinth.remove();
  }

  async #serve(startedMs: number): Promise<void> {
    await this.begin(await EtcdClient.connect(this.url), startedMs);
    this.#servingSinceMs = performance.now();
  }
}
