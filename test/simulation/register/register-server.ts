/**
 * Answers clients out of a majority of replicas: a put asks for the highest version and stores a higher one, a get stores
 * the version that it shows, so that whoever asks later finds it, too.
 */
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";
import type { ClientRequest, ServerAnswer } from "../client/messages.ts";
import type { ReplicaAnswer, ReplicaRequest, Version } from "./messages.ts";
import type { Mistakes } from "./mistakes.ts";

/** A majority that has not answered by then does not. */
const ROUND_MS = 150;
const RESEND_MS = 25;
/** Servers there can be, ever: the low digits of a revision are the server's. */
const SERVERS_MAX = 10_000;

/** A question to all replicas. */
interface Round {
  readonly answers: Map<string, Version>;
  readonly onQuorum: (highest: Version) => void;
}

export class RegisterServer {
  readonly #node: Node;
  readonly #network: Network;
  readonly #replicas: readonly string[];
  readonly #quorum: number;
  readonly #mistakes: Mistakes;
  /** No other process has this number. */
  readonly #number: number;
  readonly #rounds = new Map<number, Round>();
  #seq = 0;
  #chosen = 0;

  constructor(node: Node, network: Network, replicas: readonly string[], number: number, mistakes: Mistakes) {
    this.#node = node;
    this.#network = network;
    this.#replicas = replicas;
    this.#quorum = Math.floor(replicas.length / 2) + 1 - (mistakes.quorumTooSmall ? 1 : 0);
    this.#number = number;
    this.#mistakes = mistakes;
    network.attach(node, (message, from) => this.#handle(message as ClientRequest | ReplicaAnswer, from));
  }

  #handle(message: ClientRequest | ReplicaAnswer, from: Node): void {
    if (message.kind === "version") return this.#onAnswer(message, from.name);
    // It has no watches.
    if (message.kind === "watch") return;
    const { id } = message;
    const answer = (reply: ServerAnswer): void => this.#network.send(this.#node, from, reply);
    this.#ask(
      { kind: "query" },
      (highest) => {
        if (message.kind === "get" && (highest.revision === 0 || this.#mistakes.getsStoreNothing)) {
          return answer(answered(id, highest));
        }
        const version = message.kind === "get" ? highest : this.#next(highest, message.value);
        this.#ask(
          { kind: "store", version },
          () => answer(answered(id, version)),
          () => undefined,
        );
      },
      () => answer({ kind: "refused", id }),
    );
  }

  /** Higher than that, and than all that this process has chosen, for puts that others of its clients wait for. */
  #next({ revision }: Version, value: string): Version {
    this.#chosen = Math.max(this.#chosen, Math.floor(revision / SERVERS_MAX)) + 1;
    return { revision: this.#chosen * SERVERS_MAX + this.#number, value };
  }

  #ask(
    question: { kind: "query" } | { kind: "store"; version: Version },
    onQuorum: Round["onQuorum"],
    onLate: () => void,
  ): void {
    const seq = this.#seq++;
    const round: Round = { answers: new Map(), onQuorum };
    const request: ReplicaRequest = { ...question, seq };
    const untilMs = this.#node.clock.nowMs() + ROUND_MS;
    this.#rounds.set(seq, round);
    const send = (): void => {
      if (!this.#rounds.has(seq)) return;
      if (this.#node.clock.nowMs() >= untilMs) {
        this.#rounds.delete(seq);
        return onLate();
      }
      for (const replica of this.#replicas) {
        if (!round.answers.has(replica)) this.#network.send(this.#node, replica, request);
      }
      this.#node.clock.after(RESEND_MS, send);
    };
    send();
  }

  #onAnswer({ seq, version }: ReplicaAnswer, from: string): void {
    const round = this.#rounds.get(seq);
    if (round === undefined) return;
    round.answers.set(from, version);
    if (round.answers.size < this.#quorum) return;
    this.#rounds.delete(seq);
    const versions = [...round.answers.values()];
    round.onQuorum(versions.reduce((best, each) => (each.revision > best.revision ? each : best)));
  }
}

function answered(id: number, { revision, value }: Version): ServerAnswer {
  return { kind: "answer", id, revision, value: revision === 0 ? null : value };
}
