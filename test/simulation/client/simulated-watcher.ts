/**
 * Watches everything from the beginning on, and records what it is shown. It asks again, from behind the last that it has
 * seen, when a message is missing or nothing has come for a while; so its watch is one, however many servers it saw.
 */
import type { History } from "../../sim/world/history.ts";
import type { Network } from "../../sim/world/network.ts";
import { Node } from "../../sim/world/node.ts";
import type { World } from "../../sim/world/world.ts";
import type { ClientRequest, ServerAnswer } from "./messages.ts";

const SILENCE_MS_MAX = 300;

export class SimulatedWatcher {
  readonly node: Node;
  readonly #network: Network;
  readonly #history: History;
  readonly #server: () => string;
  #id = 0;
  #seq = 0;
  /** The last one shown. */
  #revision = 0;
  #heardMs = 0;

  constructor(world: World, name: string, network: Network, history: History, server: () => string) {
    this.node = new Node(world, name);
    this.#network = network;
    this.#history = history;
    this.#server = server;
    network.attach(this.node, (message) => this.#onAnswer(message as ServerAnswer)); // Servers send nothing else.
    this.#watch();
    this.#look();
  }

  #watch(): void {
    this.#id += 1;
    this.#seq = 0;
    this.#heardMs = this.node.clock.nowMs();
    const request: ClientRequest = { kind: "watch", id: this.#id, from: this.#revision + 1 };
    this.#network.send(this.node, this.#server(), request);
  }

  #look(): void {
    const { clock } = this.node;
    if (clock.nowMs() - this.#heardMs > SILENCE_MS_MAX) this.#watch();
    clock.after(SILENCE_MS_MAX / 4, () => this.#look());
  }

  #onAnswer(answer: ServerAnswer): void {
    if (answer.kind !== "shown" || answer.id !== this.#id) return;
    if (answer.seq !== this.#seq) return this.#watch();
    this.#seq += 1;
    this.#heardMs = this.node.clock.nowMs();
    for (const write of answer.writes) {
      this.#history.watched(this.node.name, write);
      this.#revision = write.revision;
    }
  }
}
