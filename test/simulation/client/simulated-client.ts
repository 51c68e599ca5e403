/** Puts and gets, one after the other, and records what came of it. */
import type { Get, History, Put } from "../../sim/world/history.ts";
import type { Network } from "../../sim/world/network.ts";
import { Node } from "../../sim/world/node.ts";
import type { World } from "../../sim/world/world.ts";
import type { ClientRequest, ServerAnswer } from "./messages.ts";

/** Longer than a server tries. */
const PATIENCE_MS = 400;

export interface Habits {
  /** From an answer to the next request. */
  readonly thinkMsMean: number;
  readonly putShare: number;
}

const BUSY: Habits = { thinkMsMean: 10, putShare: 0.5 };

export class SimulatedClient {
  readonly node: Node;
  readonly #network: Network;
  readonly #history: History;
  readonly #keys: readonly string[];
  /** Where the next request goes. */
  readonly #server: () => string;
  readonly #habits: Habits;
  #id = 0;
  #current: { readonly id: number; readonly act: Put | Get } | null = null;
  #isEnded = false;
  /** Gets only, and until one is answered. */
  #onLast: (() => void) | null = null;

  constructor(
    world: World,
    name: string,
    network: Network,
    history: History,
    keys: readonly string[],
    server: () => string,
    habits: Habits = BUSY,
  ) {
    this.node = new Node(world, name);
    this.#network = network;
    this.#history = history;
    this.#keys = keys;
    this.#server = server;
    this.#habits = habits;
    network.attach(this.node, (message) => this.#onAnswer(message as ServerAnswer)); // Servers send nothing else.
    this.#think();
  }

  /** Asks for the value until it is answered. */
  finish(onLast: () => void): void {
    this.#onLast = onLast;
    this.#isEnded = true;
  }

  #think(): void {
    const { world, clock } = this.node;
    clock.after(world.exponential(this.#habits.thinkMsMean), () => this.#ask());
  }

  #ask(): void {
    const id = this.#id++;
    const { name, world, clock } = this.node;
    const isPut = !this.#isEnded && world.chance(this.#habits.putShare);
    const value = `${name}.${id}`;
    const key = world.pick(this.#keys);
    const act = isPut ? this.#history.beginPut(name, key, value) : this.#history.beginGet(name, key);
    const request: ClientRequest = isPut ? { kind: "put", id, key, value } : { kind: "get", id, key };
    this.#current = { id, act };
    this.#network.send(this.node, this.#server(), request);
    clock.after(PATIENCE_MS, () => {
      if (this.#current?.id === id) this.#next();
    });
  }

  #onAnswer(answer: ServerAnswer): void {
    if (this.#current?.id !== answer.id || answer.kind === "shown") return;
    const { act } = this.#current;
    if (answer.kind === "refused") {
      if (act.kind === "put") this.#history.refused(act);
    } else if (act.kind === "put") {
      this.#history.acknowledged(act, answer.revision);
    } else {
      this.#history.got(act, answer.value, answer.revision);
      if (this.#onLast !== null) {
        this.#current = null;
        return this.#onLast();
      }
    }
    this.#next();
  }

  #next(): void {
    this.#current = null;
    this.#think();
  }
}
