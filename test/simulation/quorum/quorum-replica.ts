/** A process that keeps one replica of the journal on its disk, and answers whoever asks over the network. */
import type { JournalError } from "../../../journal/journal.ts";
import type { ReplicaAnswer, ReplicaRequest, Rot } from "../../../journal/replica/messages.ts";
import type { ReplicaHostOptions } from "../../../journal/replica/replica-host.ts";
import { ReplicaHost } from "../../../journal/replica/replica-host.ts";
import type { ScrubPace } from "../../../journal/replica/scrubber.ts";
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
/** While it lacks something it says so again: over a connection nothing is lost, and whoever comes is told. */
const ROT_MS = 300;

/** What goes to a replica, and what comes back. */
export interface Asked {
  /** The sender's number of its connection: on a later one, no answer to an earlier one comes. */
  readonly link: number;
  readonly request: ReplicaRequest;
}

export type Answered =
  | { readonly zone: string; readonly link: number; readonly answer: ReplicaAnswer }
  | { readonly zone: string; readonly released: number }
  | { readonly zone: string; readonly promised: number; readonly name: string }
  | { readonly zone: string; readonly rot: Rotten | null };

/** As `Rot`, with the reason as text. */
export interface Rotten extends Omit<Rot, "reason"> {
  readonly reason: string;
}

export interface ReplicaOptions {
  readonly formedWith: readonly Member[];
  readonly newReplicaId: number;
  readonly replaced: Map<number, number>;
  readonly scrub: ScrubPace;
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
  readonly #scrub: ScrubPace;
  /** The last connection of each that has come. */
  readonly #senders = new Map<Node, number>();
  #isRotTold = false;

  constructor(node: Node, disk: SimulatedDisk, network: Network, options: ReplicaOptions) {
    const { formedWith, newReplicaId, replaced, scrub } = options;
    this.#scrub = scrub;
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
    const options: ReplicaHostOptions = {
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
      scrub: this.#scrub,
      listener: {
        onUp: (reason) => world.note(`${name} ${reason === null ? "answers" : `fails: ${reason.message}`}`),
        onGone: (reason) => world.fail(reason),
        onStalled: (reason) => world.note(`${name} ${reason === null ? "goes on" : `waits: ${reason.message}`}`),
        onPromised: (promised, by) => this.#tell({ zone: name, promised, name: by }),
        onRotten: (rot) => this.#tell({ zone: name, rot: rottenOf(rot) }),
        onReleased: (released) => this.#tell({ zone: name, released }),
      },
    };
    ReplicaHost.open(options).then(
      (host) => this.#form(host),
      (error: JournalError) => {
        world.note(`${name} does not open: ${error.message}`);
        // Others may have what it lacks.
        if (this.#disk.damaged.length > 0) return this.#serve(ReplicaHost.openLater(options, error));
        if (!error.isPassing && error.errno === null) return world.fail(error);
        clock.after(RETRY_MS, () => this.#open());
      },
    );
  }

  #tell(notice: Answered): void {
    for (const sender of this.#senders.keys()) this.#network.send(this.#node, sender, notice);
  }

  #tellRotAgain(): void {
    const { clock, name } = this.#node;
    const rot = this.host?.rot ?? null;
    if (rot !== null || this.#isRotTold) this.#tell({ zone: name, rot: rottenOf(rot) });
    this.#isRotTold = rot !== null;
    clock.after(ROT_MS, () => this.#tellRotAgain());
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
    this.#tellRotAgain();
    this.#network.attach(this.#node, (message, from) => {
      const { link, request } = message as Asked; // Nothing else is sent to a replica.
      if (this.#senders.get(from) !== link) {
        this.#senders.set(from, link);
        if (host.rot !== null) this.#network.send(this.#node, from, { zone: name, rot: rottenOf(host.rot) });
      }
      host.handle(request, (answer) => {
        this.#look(answer);
        this.#network.send(this.#node, from, { zone: name, link, answer });
      });
    });
  }
}

function rottenOf(rot: Rot | null): Rotten | null {
  return rot === null ? null : { from: rot.from, to: rot.to, reason: rot.reason.message };
}
