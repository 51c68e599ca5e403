/**
 * A replica in another process, and the way to it for as long as the journal is open here: reigns and those that wait for one
 * come and go. Nothing is sent to it but questions who it is, before it has shown to be the journal's replica of its zone.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import { replicaDown } from "../journal-errors.ts";
import { DESCRIBE_RETRY_MS, DESCRIBE_TIMEOUT_MS, FETCH_TIMEOUT_MS_MAX } from "../limits.ts";
import type { Member } from "../replica/facts.ts";
import type { Link, LinkListener, ReplicaAnswer, ReplicaRequest, Rot } from "../replica/messages.ts";
import type { Clock, Timer, Turns } from "../time.ts";
import type { Described, Membership, ReplicaSite } from "./replica-site.ts";
import { isMember, refusalOf } from "./replica-site.ts";

export interface RemoteReplicaOptions {
  readonly zone: string;
  /** Its address, for people. */
  readonly place: string;
  /** Opens the one link. */
  readonly openLink: (listener: LinkListener) => Link;
  readonly clock: Clock;
  readonly turns: Turns;
  /** Called when it is described anew, or not any more, and when it lacks something else. */
  readonly onChange: () => void;
  /** Told why the replica does not answer, or waits for its disk, and with null: it is well again. */
  readonly onTrouble?: ((zone: string, trouble: JournalError | null) => void) | undefined;
  /** Told what is not intact in its files, run by run, and with null: all is. */
  readonly onRot?: ((zone: string, rot: Rot | null) => void) | undefined;
}

/** Its own requests are numbered from here on: those of others never come so far. */
const OWN_SEQ = 2 ** 52;

export class RemoteReplica implements ReplicaSite, LinkListener {
  readonly zone: string;
  readonly place: string;
  described: Described | null = null;
  trouble: JournalError | null = null;
  /** What is not intact there; null for nothing. */
  rot: Rot | null = null;
  /** Number of the last request that was sent for somebody: what comes for it is for nobody later. */
  lastSeq = 0;
  readonly #options: RemoteReplicaOptions;
  readonly #link: Link;
  #isLinkUp = false;
  /** It is up for others: the link is, and the replica is the journal's. */
  #isUp = false;
  #stalledBy: JournalError | null = null;
  #membership: Membership | null = null;
  #forward: LinkListener | null = null;
  #ownSeq = OWN_SEQ;
  readonly #asked = new Map<number, (answer: ReplicaAnswer | null) => void>();
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: RemoteReplicaOptions) {
    this.#options = options;
    this.zone = options.zone;
    this.place = options.place;
    this.trouble = replicaDown(options.place, "it was not heard yet");
    this.#link = options.openLink(this);
  }

  make(clusterId: string, salt: number): Promise<void> {
    return this.#change((seq) => ({ kind: "make", seq, clusterId, salt }));
  }

  list(members: readonly Member[]): Promise<void> {
    return this.#change((seq) => ({ kind: "list", seq, members }));
  }

  async committedFrames(from: number, to: number): Promise<readonly Buffer[]> {
    if (this.described === null) return [];
    const answer = await this.#ask((seq) => ({ kind: "fetch", seq, epoch: 0, from, to }), FETCH_TIMEOUT_MS_MAX);
    return answer?.kind === "fetched" ? answer.frames : [];
  }

  /** Gives it frames that are not intact there. What lacks then it says. */
  async give(frames: readonly Buffer[]): Promise<void> {
    await this.#ask((seq) => ({ kind: "repair", seq, frames }), FETCH_TIMEOUT_MS_MAX);
  }

  /** The journal's replicas are known. */
  settle(membership: Membership): void {
    this.#membership = membership;
    this.#judge();
  }

  /** One at a time. */
  connect(listener: LinkListener): Link {
    this.#forward = listener;
    this.#options.turns.later(() => {
      if (this.#forward !== listener) return;
      listener.onUp(this.#isUp, this.trouble);
      if (this.#isUp && this.#stalledBy !== null) listener.onStalled(this.#stalledBy);
      if (this.rot !== null) listener.onRotten(this.rot);
    });
    return {
      send: (request) => {
        assert(request.seq < OWN_SEQ, "requests of others have lower numbers");
        this.lastSeq = request.seq;
        // One that is damaged is up for nothing else.
        if (this.#isUp || (request.kind === "repair" && this.#isLinkUp)) this.#link.send(request);
      },
      close: () => {
        if (this.#forward === listener) this.#forward = null;
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#forward = null;
    this.#link.close();
    this.#giveUpAsked();
  }

  onAnswer(answer: ReplicaAnswer): void {
    if (answer.seq < OWN_SEQ) return this.#forward?.onAnswer(answer);
    const tell = this.#asked.get(answer.seq);
    this.#asked.delete(answer.seq);
    tell?.(answer);
  }

  onUp(isUp: boolean, reason: JournalError | null): void {
    this.#isLinkUp = isUp;
    this.#stalledBy = null;
    this.onRotten(null);
    if (isUp) return this.#describe();
    this.described = null;
    this.#giveUpAsked();
    this.#setUp(false, reason);
    this.#options.onChange();
  }

  onGone(reason: JournalError): void {
    this.onUp(false, reason);
  }

  onReleased(epoch: number): void {
    this.#forward?.onReleased(epoch);
  }

  onPromised(epoch: number, name: string): void {
    this.#forward?.onPromised(epoch, name);
  }

  onStalled(reason: JournalError | null): void {
    this.#stalledBy = reason;
    if (!this.#isUp) return;
    this.#options.onTrouble?.(this.zone, reason);
    this.#forward?.onStalled(reason);
  }

  onRotten(rot: Rot | null): void {
    if (rot === null && this.rot === null) return;
    this.rot = rot;
    this.#options.onRot?.(this.zone, rot);
    this.#forward?.onRotten(rot);
    this.#options.onChange();
  }

  /** Asks who it is, until that shows it to be the one that is looked for. */
  #describe(): void {
    this.#timer?.cancel();
    if (this.#isClosed || !this.#isLinkUp || this.#isUp) return;
    this.#change((seq) => ({ kind: "describe", seq })).catch((error: JournalError) => {
      if (this.#isLinkUp && !this.#isClosed) this.#setUp(false, error);
    });
    this.#timer = this.#options.clock.after(DESCRIBE_RETRY_MS, () => this.#describe());
  }

  /** Sends what is answered with a description. */
  async #change(make: (seq: number) => ReplicaRequest): Promise<void> {
    if (!this.#isLinkUp) throw this.trouble ?? replicaDown(this.place, "the link is closed");
    const answer = await this.#ask(make, DESCRIBE_TIMEOUT_MS);
    if (answer === null) throw this.trouble ?? replicaDown(this.place, "it does not say who it is");
    if (answer.kind === "failed") throw replicaDown(this.place, answer.reason);
    if (answer.kind !== "described") throw replicaDown(this.place, "it answers something else");
    if (!this.#isLinkUp || this.#isClosed) return;
    const before = this.described;
    this.described = answer;
    this.#judge();
    if (before === null || !isSame(before, answer)) this.#options.onChange();
  }

  /** Null when it does not answer in time, or the link goes. */
  #ask(make: (seq: number) => ReplicaRequest, timeoutMs: number): Promise<ReplicaAnswer | null> {
    return new Promise((resolve) => {
      if (!this.#isLinkUp) return resolve(null);
      const seq = ++this.#ownSeq;
      const timer = this.#options.clock.after(timeoutMs, () => {
        this.#asked.delete(seq);
        resolve(null);
      });
      this.#asked.set(seq, (given) => {
        timer.cancel();
        resolve(given);
      });
      this.#link.send(make(seq));
    });
  }

  #judge(): void {
    const { described } = this;
    const membership = this.#membership;
    if (described === null) return;
    if (membership === null) {
      // Who will say whether it takes part is not known yet, and it is heard.
      this.trouble = null;
      return;
    }
    const refusal = refusalOf(this, described, membership);
    if (refusal !== null) this.#setUp(false, refusal);
    // The replica that was here is lost.
    if (described.clusterId === "") return void this.make(membership.clusterId, membership.salt).catch(() => undefined);
    if (refusal !== null) return;
    // Its forming was cut short.
    const isUnlisted = described.members.length === 0 && membership.membersIndex === 0;
    if (!isUnlisted || !isMember(this, described, membership)) return this.#setUp(true, null);
    this.list(membership.members).catch(() => this.#describe());
  }

  #setUp(isUp: boolean, reason: JournalError | null): void {
    const isNews = isUp !== this.#isUp || reason?.message !== this.trouble?.message;
    this.#isUp = isUp;
    this.trouble = reason;
    if (!isNews) return;
    this.#options.onTrouble?.(this.zone, reason);
    this.#forward?.onUp(isUp, reason);
    if (isUp && this.#stalledBy !== null) this.#forward?.onStalled(this.#stalledBy);
    if (isUp || !this.#isLinkUp) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(DESCRIBE_RETRY_MS, () => this.#describe());
  }

  #giveUpAsked(): void {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const tell of asked) tell(null);
  }
}

function isSame(a: Described, b: Described): boolean {
  return a.clusterId === b.clusterId && a.replicaId === b.replicaId && a.members.length === b.members.length;
}
