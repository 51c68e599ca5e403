/** A process that keeps one replica of the journal on its disk, and answers whoever asks over the network. */
import type { JournalError } from "../../../journal/journal.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ReplicaHost } from "../../../journal/replica/replica-host.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { lists } from "../../../journal/replica/configuration.ts";
import type { Member } from "../../../journal/replica/facts.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";

export const CLUSTER_ID = "c1".repeat(16);
export const SALT = 7;
/** Small, so that a run makes many. */
const SEGMENT_BYTES = 8 * 1024;
const DIRECTORY = "/data/replica";
const RETRY_MS = 20;

/** What goes to a replica, and what comes back. */
export interface Asked {
  /** The sender's number of its connection: on a later one, no answer to an earlier one comes. */
  readonly link: number;
  readonly request: ReplicaRequest;
}

export type Answered =
  | { readonly zone: string; readonly link: number; readonly answer: ReplicaAnswer }
  | { readonly zone: string; readonly released: number };

export interface ReplicaIds {
  readonly formedWith: readonly Member[];
  readonly newReplicaId: number;
  readonly replaced: Map<number, number>;
}

export class QuorumReplica {
  host: ReplicaHost | null = null;
  readonly #node: Node;
  readonly #disk: SimulatedDisk;
  readonly #network: Network;
  /** Those that the journal was formed with. */
  readonly #formedWith: readonly Member[];
  /** By the names of replicas, of all zones: a list without one that was on a list before. */
  readonly #replaced: Map<number, number>;
  /** Of the directory that is made, where there is none. */
  readonly #newReplicaId: number;
  /** Connections that somebody came over. */
  readonly #senders = new Set<Node>();

  constructor(node: Node, disk: SimulatedDisk, network: Network, { formedWith, newReplicaId, replaced }: ReplicaIds) {
    this.#formedWith = formedWith;
    this.#newReplicaId = newReplicaId;
    this.#replaced = replaced;
    this.#node = node;
    this.#disk = disk;
    this.#network = network;
    this.#open();
  }

  #open(): void {
    const { world, name, clock } = this.#node;
    ReplicaHost.open({
      disk: this.#disk,
      clock,
      directory: DIRECTORY,
      segmentBytes: SEGMENT_BYTES,
      clusterId: CLUSTER_ID,
      newClusterId: CLUSTER_ID,
      newSalt: SALT,
      newReplicaId: this.#newReplicaId,
      reopens: true,
      mustExist: false,
      acceptLoss: null,
      listener: {
        onUp: (reason) => world.note(`${name} ${reason === null ? "answers" : `fails: ${reason.message}`}`),
        onGone: (reason) => world.fail(reason),
        onStalled: (reason) => world.note(`${name} ${reason === null ? "goes on" : `waits: ${reason.message}`}`),
        // Who is refused learns it with the answer, too: here that is the only way.
        onPromised: () => undefined,
        onRotten: () => undefined,
        onReleased: (released) => {
          for (const sender of this.#senders) this.#network.send(this.#node, sender, { zone: name, released });
        },
      },
    }).then(
      (host) => this.#form(host),
      (error: JournalError) => {
        world.note(`${name} does not open: ${error.message}`);
        if (!error.isPassing && error.errno === null) return world.fail(error);
        clock.after(RETRY_MS, () => this.#open());
      },
    );
  }

  /** It was listed once, and was replaced. */
  get isOut(): boolean {
    const facts = this.host?.log?.facts;
    return (
      facts !== undefined &&
      facts.members.length > 0 &&
      !facts.members.some((each) => each.replicaId === facts.replicaId)
    );
  }

  /** Who was replaced once must never count again. */
  #look(answer: ReplicaAnswer): void {
    if (answer.kind !== "status" || answer.isNew) return;
    const { known } = answer.membership;
    const without = this.#replaced.get(answer.replicaId) ?? Infinity;
    if (!lists(known, answer.replicaId)) this.#replaced.set(answer.replicaId, Math.min(known.index, without));
    else if (known.index > without)
      this.#node.world.fail(new Error(`${this.#node.name} was replaced, and is listed again`));
  }

  /** One that the journal was formed with is listed before it answers anybody. */
  #form(host: ReplicaHost): void {
    const { log } = host;
    if (log === null || !this.#isUnformed(log)) return this.#serve(host);
    log.remember({ ...log.facts, members: this.#formedWith }, (error) => {
      if (error === null) this.#serve(host);
      else void this.#openAgain(host);
    });
  }

  async #openAgain(host: ReplicaHost): Promise<void> {
    await host.close();
    this.#node.clock.after(RETRY_MS, () => this.#open());
  }

  #isUnformed({ facts }: DirectoryLog): boolean {
    return facts.members.length === 0 && this.#formedWith.some(({ replicaId }) => replicaId === facts.replicaId);
  }

  #serve(host: ReplicaHost): void {
    const { name } = this.#node;
    this.host = host;
    this.#network.attach(this.#node, (message, from) => {
      const { link, request } = message as Asked; // Nothing else is sent to a replica.
      this.#senders.add(from);
      host.handle(request, (answer) => {
        this.#look(answer);
        this.#network.send(this.#node, from, { zone: name, link, answer });
      });
    });
  }
}
