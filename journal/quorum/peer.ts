/** A replica as its writer sees it: requests get their numbers, and answers find who asked. */
import type { JournalError } from "../journal.ts";
import { ReplicaTally } from "../journal-tally.ts";
import { ASKED_MAX } from "../limits.ts";
import type { Link, LinkListener, ReplicaAnswer, ReplicaRequest, Rot } from "../replica/messages.ts";

/** Null when the request, or its answer, is lost for certain. */
export type OnAnswer = (answer: ReplicaAnswer | null) => void;

/** Opens a link that tells the listener. */
export type Connect = (listener: LinkListener) => Link;

/** One of those who follow what becomes of a replica; what they do not follow is not there. */
export interface PeerListener {
  onUp?(): void;
  onDown?(): void;
  onStalled?(): void;
  onGone?(reason: JournalError): void;
  onReleased?(epoch: number): void;
  onPromised?(epoch: number, name: string): void;
  /** It is another replica than the one that answered before, or the first that does. */
  onOther?(): void;
}

export class Peer implements LinkListener {
  /** Its number among the journal's replicas, from 0 on. */
  readonly number: number;
  readonly zone: string;
  /** Nobody but this process can reach the replica while it holds the lock. */
  readonly isWithin: boolean;
  /** What is kept of it over reigns. */
  readonly tally: ReplicaTally;
  /** As its last answer told; 0 before any did. */
  replicaId = 0;
  isUp = false;
  /** How often it has come up: what was read of its log before an end is of another opening. */
  ups = 0;
  /** It will not be up again. */
  isGone = false;
  /** Why nothing comes of it for now: it is down, or waits for its disk. */
  trouble: JournalError | null = null;
  /** What is not intact there; null for nothing. */
  rot: Rot | null = null;
  listener: PeerListener = {};
  /** Who is told when that changes, whatever reign there is. */
  onRot: () => void = () => undefined;
  readonly #link: Link;
  #seq: number;
  readonly #asked = new Map<number, Asked>();

  /** @param lastSeq of the requests that were sent over the link before: what still comes for them is none of this one's */
  constructor(
    number: number,
    zone: string,
    isWithin: boolean,
    connect: Connect,
    tally = new ReplicaTally(zone),
    lastSeq = 0,
  ) {
    this.#seq = lastSeq;
    this.number = number;
    this.zone = zone;
    this.tally = tally;
    this.isWithin = isWithin;
    this.#link = connect(this);
  }

  /** Sends the request that is made for its number, and tells what becomes of it: at most once, perhaps never. */
  ask(make: (seq: number) => ReplicaRequest, onAnswer: OnAnswer): void {
    const seq = ++this.#seq;
    if (this.#asked.size >= ASKED_MAX) this.#forgetOldest();
    const request = make(seq);
    const hasFrame = request.kind === "append" && request.frame !== null;
    this.#asked.set(seq, { onAnswer, hasFrame });
    this.#link.send(request);
  }

  onAnswer(answer: ReplicaAnswer): void {
    const asked = this.#asked.get(answer.seq);
    // A second copy, or one that came too late.
    if (asked === undefined) return;
    this.#asked.delete(answer.seq);
    if (answer.kind === "durable" || answer.kind === "status" || answer.kind === "promised")
      this.#lookWho(answer.replicaId);
    asked.onAnswer(answer);
  }

  onUp(isUp: boolean, reason: JournalError | null): void {
    this.isUp = isUp;
    this.#noteTrouble(reason);
    if (isUp) {
      this.ups++;
      this.listener.onUp?.();
      return;
    }
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { onAnswer } of asked) onAnswer(null);
    this.listener.onDown?.();
  }

  onGone(reason: JournalError): void {
    this.isGone = true;
    this.onUp(false, reason);
    this.listener.onGone?.(reason);
  }

  onStalled(reason: JournalError | null): void {
    this.#noteTrouble(reason);
    this.listener.onStalled?.();
  }

  onRotten(rot: Rot | null): void {
    // It is told again when what lacks has become less.
    if (rot !== null && rot.to !== this.rot?.to) this.tally.noteDamage(rot.reason);
    this.rot = rot;
    this.onRot();
  }

  onReleased(epoch: number): void {
    this.listener.onReleased?.(epoch);
  }

  onPromised(epoch: number, name: string): void {
    this.listener.onPromised?.(epoch, name);
  }

  close(): void {
    this.listener = {};
    this.onRotten(null);
    this.#link.close();
    this.onUp(false, null);
  }

  #noteTrouble(reason: JournalError | null): void {
    this.trouble = reason;
    if (reason !== null) this.tally.note(reason);
  }

  #lookWho(replicaId: number): void {
    if (replicaId === this.replicaId) return;
    this.replicaId = replicaId;
    this.listener.onOther?.();
  }

  /** Not one with a frame: a slow replica may still read its bytes. A feed has few of them. */
  #forgetOldest(): void {
    for (const [seq, { onAnswer, hasFrame }] of this.#asked) {
      if (hasFrame) continue;
      this.#asked.delete(seq);
      onAnswer(null);
      return;
    }
  }
}

interface Asked {
  readonly onAnswer: OnAnswer;
  readonly hasFrame: boolean;
}
