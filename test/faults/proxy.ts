/** What stands between a server and a replica, and passes on what comes as well as it is told to. */
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { delay } from "../support/delay.ts";

const QUEUE_BYTES_MAX = 1024 * 1024;
const HELD_LOOK_MS = 5;
/** What is lost comes again so much later, as TCP has it at the least. */
const SENT_AGAIN_MS = 200;

export interface Manner {
  /** Every chunk comes so much later. */
  readonly delayMs: number;
  /** A share of them is sent twice, as the first was lost. */
  readonly lost: number;
  /** Nothing passes in this direction while it is so; connections stay. */
  readonly isHeldTo: boolean;
  readonly isHeldFrom: boolean;
  /** Of each connection and direction; infinite for no bound. */
  readonly bytesPerSecond: number;
}

export const FREELY: Manner = {
  delayMs: 0,
  lost: 0,
  isHeldTo: false,
  isHeldFrom: false,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};

export class Proxy {
  manner: Manner = FREELY;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();

  static async listen(host: string, port: number): Promise<Proxy> {
    const proxy = new Proxy(host, port);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(host: string, port: number) {
    this.#server = createServer({ allowHalfOpen: false }, (near) => {
      const pair = new Pair(near, connect(port, host), this);
      this.#pairs.add(pair);
      void pair.ended.then(() => this.#pairs.delete(pair));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Each connection ends in the midst of what comes next. */
  cutMidway(): void {
    for (const pair of this.#pairs) pair.isToBeCut = true;
  }

  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) pair.end();
  }
}

class Pair {
  isToBeCut = false;
  readonly ended: Promise<void>;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #proxy: Proxy;
  #isEnded = false;

  constructor(near: Socket, far: Socket, proxy: Proxy) {
    this.#near = near;
    this.#far = far;
    this.#proxy = proxy;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.end());
      socket.on("close", () => {
        this.end();
        resolve();
      });
    }
    void this.#pump(near, far, ({ isHeldTo }) => isHeldTo);
    void this.#pump(far, near, ({ isHeldFrom }) => isHeldFrom);
  }

  end(): void {
    this.#isEnded = true;
    this.#near.destroy();
    this.#far.destroy();
  }

  async #pump(from: Socket, to: Socket, isHeld: (manner: Manner) => boolean): Promise<void> {
    const queue: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
    let bytes = 0;
    let wake: (() => void) | null = null;
    from.on("data", (chunk: Buffer) => {
      const { delayMs, lost } = this.#proxy.manner;
      const againMs = Math.random() < lost ? SENT_AGAIN_MS : 0;
      queue.push({ chunk, dueMs: performance.now() + delayMs + againMs });
      bytes += chunk.length;
      if (bytes > QUEUE_BYTES_MAX) from.pause();
      wake?.();
    });
    while (!this.#isEnded) {
      const next = queue.shift();
      if (next === undefined) {
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), this.ended]);
        continue;
      }
      const waitMs = next.dueMs - performance.now();
      if (waitMs >= 1) await delay(waitMs);
      while (isHeld(this.#proxy.manner) && !this.#isEnded) await delay(HELD_LOOK_MS);
      if (this.#isEnded) return;
      if (this.isToBeCut && next.chunk.length > 1) {
        to.end(next.chunk.subarray(0, next.chunk.length >> 1));
        this.#isEnded = true;
        from.destroy();
        return;
      }
      to.write(next.chunk);
      bytes -= next.chunk.length;
      if (bytes <= QUEUE_BYTES_MAX) from.resume();
      const { bytesPerSecond } = this.#proxy.manner;
      if (Number.isFinite(bytesPerSecond)) await delay((next.chunk.length / bytesPerSecond) * 1_000);
    }
  }
}
