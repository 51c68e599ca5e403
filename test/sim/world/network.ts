/**
 * A network that loses, doubles, delays and reorders what it carries, is cut in one direction or both, and heals. A message
 * is any plain object. It goes to a name, whoever has that when it arrives, or, as an answer does over a connection, to one
 * process alone.
 */
import { copyMessage } from "./message-copy.ts";
import type { Node } from "./node.ts";
import type { World } from "./world.ts";

/** Of one direction between two names. */
export interface Weather {
  /** No message takes less. */
  readonly delayMsMin: number;
  /** How much longer the mean message takes. */
  readonly delayMsMean: number;
  /** Share of messages that take `SLOW_FACTOR` times as long. */
  readonly slow: number;
  readonly loss: number;
  readonly duplication: number;
  /** Share of messages that do not keep behind those before them. */
  readonly reorder: number;
  /** Share of what is sent through a cut that comes when it heals; the rest is lost. */
  readonly heldByCut: number;
  /** Share of what is under way from or to a process that is lost when it is killed. */
  readonly lostByKill: number;
}

/** As in one data centre on a good day. */
export const FAIR: Weather = {
  delayMsMin: 0.1,
  delayMsMean: 0.2,
  slow: 0,
  loss: 0,
  duplication: 0,
  reorder: 0,
  heldByCut: 0,
  lostByKill: 0.5,
};

export const ROUGH: Weather = {
  delayMsMin: 0.1,
  delayMsMean: 1,
  slow: 0.02,
  loss: 0.02,
  duplication: 0.02,
  reorder: 0.2,
  heldByCut: 0.5,
  lostByKill: 0.5,
};

const SLOW_FACTOR = 50;

/** Takes what arrives. The sender is named as the process that sent, so that the answer finds that one alone. */
export type Receive = (message: object, from: Node) => void;

interface Host {
  readonly node: Node;
  readonly receive: Receive;
}

/** Somebody who hears when another can be reached again, or is gone. */
interface Caller {
  readonly node: Node;
  readonly peer: string;
  readonly tell: (isUp: boolean) => void;
}

interface Direction {
  weather: Weather;
  isCut: boolean;
  lastArrivalMs: number;
  readonly held: (() => void)[];
  /** For the trace: on its way, and at the other end. */
  readonly what: string;
  readonly arrival: string;
}

export class Network {
  readonly #world: World;
  #weather: Weather;
  readonly #hosts = new Map<string, Host>();
  readonly #receivers = new WeakMap<Node, Receive>();
  readonly #callers: Caller[] = [];
  readonly #directions = new Map<string, Map<string, Direction>>();

  constructor(world: World, weather: Weather = FAIR) {
    this.#world = world;
    this.#weather = weather;
  }

  /** From now on the node is who has its name. */
  attach(node: Node, receive: Receive): void {
    this.#hosts.set(node.name, { node, receive });
    this.#receivers.set(node, receive);
    this.#tell(node.name, null, true);
    node.onKilled(() => this.#tell(node.name, null, false));
  }

  /**
   * Tells the node, as a connection would, when whoever has the name can be reached from now on, and when it has ended.
   * A cut tells nothing: what is sent is not answered.
   */
  onReached(node: Node, peer: string, tell: (isUp: boolean) => void): void {
    this.#callers.push({ node, peer, tell });
    node.onKilled(() =>
      this.#callers.splice(
        this.#callers.findIndex((caller) => caller.tell === tell),
        1,
      ),
    );
  }

  send(from: Node, to: string | Node, message: object): void {
    from.outward(() => this.#send(from, to, message));
  }

  /** Of all directions, or of one. */
  setWeather(weather: Partial<Weather>, from?: string, to?: string): void {
    if (from !== undefined && to !== undefined) {
      const direction = this.#direction(from, to);
      direction.weather = { ...direction.weather, ...weather };
      return;
    }
    this.#weather = { ...this.#weather, ...weather };
    for (const direction of this.#all()) direction.weather = { ...direction.weather, ...weather };
  }

  /** Nothing comes through from one to the other. */
  cut(from: string, to: string): void {
    const direction = this.#direction(from, to);
    if (!direction.isCut) this.#world.note(`cut: ${direction.what}`);
    direction.isCut = true;
  }

  heal(from: string, to: string): void {
    const direction = this.#direction(from, to);
    if (!direction.isCut) return;
    direction.isCut = false;
    this.#world.note(`healed: ${direction.what}`);
    for (const deliver of direction.held.splice(0)) deliver();
    this.#tell(to, from, true);
    this.#tell(from, to, true);
  }

  /** Nothing comes through between the two groups, in either direction. */
  part(some: readonly string[], others: readonly string[]): void {
    for (const one of some) {
      for (const other of others) {
        this.cut(one, other);
        this.cut(other, one);
      }
    }
  }

  healAll(): void {
    for (const [from, directions] of this.#directions) for (const to of directions.keys()) this.heal(from, to);
  }

  isCut(from: string, to: string): boolean {
    return this.#direction(from, to).isCut;
  }

  /** Tells those who call a name, or one of them, unless a cut keeps it from them. */
  #tell(peer: string, callerName: string | null, isUp: boolean): void {
    for (const { node, peer: called, tell } of this.#callers) {
      if (called !== peer || (callerName !== null && node.name !== callerName)) continue;
      if (this.isCut(peer, node.name) || (isUp && this.isCut(node.name, peer))) continue;
      if (isUp && this.#hosts.get(peer)?.node.isAlive !== true) continue;
      const { delayMsMin, delayMsMean } = this.#direction(peer, node.name).weather;
      node.after(delayMsMin + this.#world.exponential(delayMsMean), "message", () => tell(isUp), isUp ? "up" : "down");
    }
  }

  #send(from: Node, to: string | Node, message: object): void {
    const direction = this.#direction(from.name, typeof to === "string" ? to : to.name);
    const copied = copyMessage(message, this.#world.trace);
    this.#world.trace.addNamed(this.#world.nowMs, direction.what, copied);
    this.#carry(direction, from, to, copied);
    if (this.#world.chance(direction.weather.duplication)) {
      this.#carry(direction, from, to, copyMessage(message, null));
    }
  }

  #carry(direction: Direction, from: Node, to: string | Node, message: object): void {
    const world = this.#world;
    const { weather } = direction;
    if (world.chance(weather.loss)) return;
    let delayMs = weather.delayMsMin + world.exponential(weather.delayMsMean);
    if (world.chance(weather.slow)) delayMs *= SLOW_FACTOR;
    let arrivalMs = world.nowMs + delayMs;
    if (!world.chance(weather.reorder)) {
      arrivalMs = Math.max(arrivalMs, direction.lastArrivalMs + 1e-6);
      direction.lastArrivalMs = arrivalMs;
    }
    const target = typeof to === "string" ? this.#hosts.get(to)?.node : to;
    world.after(Math.max(0, arrivalMs - world.nowMs), direction.what, () => {
      this.#arrive(direction, from, to, target, message);
    });
  }

  /** @param target who had the name when it was sent */
  #arrive(direction: Direction, from: Node, to: string | Node, target: Node | undefined, message: object): void {
    if (direction.isCut) {
      const deliver = (): void => this.#carry(direction, from, to, message);
      if (this.#world.chance(direction.weather.heldByCut)) direction.held.push(deliver);
      return;
    }
    const host = typeof to === "string" ? this.#hosts.get(to) : { node: to, receive: this.#receivers.get(to) };
    if (host?.receive === undefined || !host.node.isAlive) return;
    const wasKilled = !from.isAlive || host.node !== target;
    if (wasKilled && this.#world.chance(direction.weather.lostByKill)) return;
    const { node, receive } = host;
    node.after(0, "message", () => receive(message, from), direction.arrival);
  }

  #direction(from: string, to: string): Direction {
    let directions = this.#directions.get(from);
    if (directions === undefined) this.#directions.set(from, (directions = new Map()));
    let direction = directions.get(to);
    if (direction === undefined) {
      const what = `${from} -> ${to}`;
      direction = { weather: this.#weather, isCut: false, lastArrivalMs: 0, held: [], what, arrival: `from ${from}` };
      directions.set(to, direction);
    }
    return direction;
  }

  *#all(): Generator<Direction> {
    for (const directions of this.#directions.values()) yield* directions.values();
  }
}
