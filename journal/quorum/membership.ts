/**
 * Takes in replicas that are not listed. Such a one is fed like any other, and nothing that it says counts. When it has all
 * that was committed by the time it came, a frame with the new list is sealed: one at a time, and none before the reign has
 * begun. It takes the place of the replica that was listed for its zone, or is one more.
 *
 * A replica that was listed once and was replaced is never listed again: it may have promised what others have forgotten.
 */
import { MEMBERS_LOOK_MS } from "../limits.ts";
import type { Member } from "../replica/facts.ts";
import { MEMBERS_MAX } from "../replica/facts.ts";
import type { StatusAnswer } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import type { Feed } from "./feed.ts";
import type { Voters } from "./voters.ts";
import { isListed } from "./voters.ts";

/** The reign, as far as it takes replicas in. */
export interface MembershipHost {
  readonly clock: Clock;
  readonly voters: Voters;
  readonly feeds: readonly Feed[];
  /** The last committed index that was told; null before the reign has begun. */
  committed(): number | null;
  /** Seals a frame with that list. */
  propose(members: readonly Member[]): void;
}

/** What is known of a replica since it came. */
interface Known {
  readonly status: StatusAnswer;
  /** What it must have before it is listed; null before the reign has begun. */
  readonly target: number | null;
}

export class Membership {
  readonly #host: MembershipHost;
  /** By the replica's number. */
  readonly #known = new Map<number, Known>();
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(host: MembershipHost) {
    this.#host = host;
  }

  /** Asks those who they are that are there and not known to be well, now and then. */
  look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isClosed) return;
    const unsure = this.#host.feeds.filter((feed) => feed.peer.isUp && !this.isWell(feed));
    for (const feed of unsure) {
      this.#ask(feed);
      // Where nothing is written it would not hear that its list is committed.
      feed.beat(Number.POSITIVE_INFINITY);
    }
    if (unsure.length > 0) this.#timer = this.#host.clock.after(MEMBERS_LOOK_MS, () => this.look());
  }

  /** Whether a replica is listed, and knows it durably. */
  isWell({ peer }: Feed): boolean {
    const { voters } = this.#host;
    const known = this.#known.get(peer.number);
    return (
      peer.isUp &&
      voters.next === null &&
      known?.status.isVoter === true &&
      !known.status.isNew &&
      isListed(voters.newest.members, peer.zone, peer.replicaId)
    );
  }

  /** Another replica is in the place of one, or may be. */
  forget({ peer }: Feed): void {
    this.#known.delete(peer.number);
    this.look();
  }

  /** Lists a replica that has what it must have, if no other list is under way. */
  advance(): void {
    const { feeds, voters } = this.#host;
    if (this.#isClosed || this.#host.committed() === null || voters.next !== null) return;
    const ready = feeds.find((feed) => this.#isReady(feed));
    if (ready === undefined) return;
    const { zone, replicaId } = ready.peer;
    const member = { zone, replicaId };
    const { members } = voters.newest;
    const isInPlace = members.some((each) => each.zone === zone);
    if (!isInPlace && members.length === MEMBERS_MAX) return;
    this.#host.propose(isInPlace ? members.map((each) => (each.zone === zone ? member : each)) : [...members, member]);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #isReady({ peer, matched }: Feed): boolean {
    if (!peer.isUp || isListed(this.#host.voters.newest.members, peer.zone, peer.replicaId)) return false;
    const { status, target = null } = this.#known.get(peer.number) ?? {};
    if (status === undefined || target === null || matched < target) return false;
    // Of a list that it was on it may learn only now, with the frames: what it said before it knew these says nothing.
    return status.isNew && status.committed >= target;
  }

  #ask({ peer }: Feed): void {
    peer.ask(
      (seq) => ({ kind: "status", seq }),
      (answer) => {
        if (this.#isClosed || answer?.kind !== "status" || answer.replicaId !== peer.replicaId) return;
        const before = this.#known.get(peer.number);
        // What was committed when it came, and not what is now: it would run after that for ever.
        const target = before?.target ?? this.#host.committed();
        this.#known.set(peer.number, { status: answer, target });
        this.advance();
      },
    );
  }
}
