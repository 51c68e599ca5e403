/** Who watches a simulated server, and what each is told: what is written, in order, and now and then that there is nothing. */
import type { Write } from "../../sim/world/history.ts";
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";
import type { ServerAnswer } from "./messages.ts";

/** A watch is told that often that there is nothing. */
const BEAT_MS = 100;

interface Watcher {
  readonly id: number;
  next: number;
  seq: number;
}

export class Watchers {
  readonly #node: Node;
  readonly #network: Network;
  readonly #watchers = new Map<Node, Watcher>();

  constructor(node: Node, network: Network) {
    this.#node = node;
    this.#network = network;
  }

  /** A later one of the same client ends the one before. */
  add(client: Node, id: number, from: number): void {
    this.#watchers.set(client, { id, next: from, seq: 0 });
  }

  /** @param writes all there are, from revision 1 on */
  show(writes: readonly Write[]): void {
    for (const [client, watcher] of this.#watchers) {
      const more = writes.slice(watcher.next - 1);
      if (more.length > 0) this.#tell(client, watcher, more);
    }
  }

  /** @param isServing whether anybody is told, asked each time */
  beat(isServing: () => boolean = () => true): void {
    if (isServing()) for (const [client, watcher] of this.#watchers) this.#tell(client, watcher, []);
    this.#node.clock.after(BEAT_MS, () => this.beat(isServing));
  }

  #tell(client: Node, watcher: Watcher, writes: readonly Write[]): void {
    const answer: ServerAnswer = { kind: "shown", id: watcher.id, seq: watcher.seq, writes };
    this.#network.send(this.#node, client, answer);
    watcher.seq += 1;
    watcher.next += writes.length;
  }
}
