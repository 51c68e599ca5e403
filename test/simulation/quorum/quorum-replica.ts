/** A process that keeps one replica of the journal on its disk, and answers whoever asks over the network. */
import type { JournalError } from "../../../journal/journal.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ReplicaHost } from "../../../journal/replica/replica-host.ts";
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

export class QuorumReplica {
  host: ReplicaHost | null = null;
  readonly #node: Node;
  readonly #disk: SimulatedDisk;
  readonly #network: Network;
  /** Connections that somebody came over. */
  readonly #senders = new Set<Node>();

  constructor(node: Node, disk: SimulatedDisk, network: Network) {
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
      newReplicaId: world.integer(1, 2 ** 32),
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
      (host) => this.#serve(host),
      (error: JournalError) => {
        world.note(`${name} does not open: ${error.message}`);
        if (!error.isPassing && error.errno === null) return world.fail(error);
        clock.after(RETRY_MS, () => this.#open());
      },
    );
  }

  #serve(host: ReplicaHost): void {
    const { name } = this.#node;
    this.host = host;
    this.#network.attach(this.#node, (message, from) => {
      const { link, request } = message as Asked; // Nothing else is sent to a replica.
      this.#senders.add(from);
      host.handle(request, (answer) => this.#network.send(this.#node, from, { zone: name, link, answer }));
    });
  }
}
