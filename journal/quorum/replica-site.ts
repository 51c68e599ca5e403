/** A journal's replica, wherever it is, as far as it must be known before it may take part. */
import { JournalError } from "../journal.ts";
import { incomplete } from "../journal-errors.ts";
import type { Member } from "../replica/facts.ts";
import type { DescribedAnswer } from "../replica/messages.ts";

/** What a replica says of itself. */
export type Described = Omit<DescribedAnswer, "kind" | "seq">;

/** A journal that was formed, and the replicas that it has. */
export interface Membership {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Of its frames. */
  readonly salt: number;
  readonly members: readonly Member[];
  /** Index of the frame that they come from; 0 for those that it was formed with. */
  readonly membersIndex: number;
}

export interface ReplicaSite {
  readonly zone: string;
  /** A directory or an address, for people. */
  readonly place: string;
  /** Null while it is not known. */
  readonly described: Described | null;
  /** Why it is not known, or why the replica does not take part; null when neither is so. */
  readonly trouble: JournalError | null;

  /**
   * Makes a blank replica for a journal; one that was made before stays as it is. It is described again then.
   *
   * @throws JournalError when it could not, or when nothing is heard of it
   */
  make(clusterId: string, salt: number): Promise<void>;
  /** Tells the replica which ones its journal has; it keeps the first list only. As `make` otherwise. */
  list(members: readonly Member[]): Promise<void>;
  /** Committed frames from that index on, up to another, as many as come together; none when it does not give them. */
  committedFrames(from: number, to: number): Promise<readonly Buffer[]>;
}

/** Whether a replica is the one that is listed for its zone. */
export function isMember(
  { zone }: Pick<ReplicaSite, "zone">,
  { salt, replicaId, members, membersIndex }: Described,
  membership: Membership,
): boolean {
  // It may know a newer list.
  const list = membersIndex > membership.membersIndex ? members : membership.members;
  // Frames are sealed for one salt: in a log of another they are torn.
  return salt === membership.salt && list.some((member) => member.zone === zone && member.replicaId === replicaId);
}

/**
 * Why a replica has no part in the journal; null when it is the one that is listed for its zone, or was made anew for the journal
 * and may be listed some day. One that was listed before, and is no more, never comes back.
 */
export function refusalOf(
  site: Pick<ReplicaSite, "zone" | "place">,
  described: Described,
  membership: Membership,
): JournalError | null {
  const { zone, place } = site;
  const { clusterId, salt, members } = described;
  if (clusterId === "") return incomplete(place, "the replica that was made here is missing");
  if (isMember(site, described, membership)) return null;
  if (salt === membership.salt && members.length === 0) return null;
  return replicasError(`${place}: not the replica that zone ${zone} was made with`);
}

export function replicasError(text: string): JournalError {
  return new JournalError("ERR_JOURNAL_REPLICAS", text);
}
