/**
 * What writers and those who only look ask of a replica, and what it answers. Each request has a number of its sender's,
 * `seq`, which its answer returns: who asked keeps under it when that was, so no clock of another ever counts. A link may
 * lose, double and reorder them all.
 *
 * A request that brings an epoch below the one that the replica has promised is refused, whatever it asks.
 */

import type { JournalError } from "../journal.ts";
import type { Configuration, Membership } from "./configuration.ts";
import type { Member } from "./facts.ts";

/** Where a log ends, or a frame stands. Two frames of one index and epoch are one frame, and so is all before them. */
export interface FramePlace {
  /** 0 when there is none. */
  readonly index: number;
  readonly epoch: number;
}

/** Looks, and promises nothing. */
export interface StatusRequest {
  readonly kind: "status";
  readonly seq: number;
}

/** Asks for the promise to take no frame of a lower epoch any more. */
export interface PromiseRequest {
  readonly kind: "promise";
  readonly seq: number;
  readonly epoch: number;
  /** The number of the process that asks: who asks again for what was promised to it is answered again. */
  readonly writer: number;
  /** Of the process, for people: who is refused in its favour is told. */
  readonly name: string;
  /** The last frame that it knows to be committed: who has that knows it by this. */
  readonly committed: FramePlace;
}

/** Asks for frames, as many as one answer takes. */
export interface FetchRequest {
  readonly kind: "fetch";
  readonly seq: number;
  /** Of the reign that asks; 0 for who has none, who is given committed frames only. */
  readonly epoch: number;
  readonly from: number;
  /** None behind it: a reign knows only so far that the replica has what the reign has. */
  readonly to: number;
}

/** Brings a frame, or none: then it is a beat, which says that the writer is there. */
export interface AppendRequest {
  readonly kind: "append";
  readonly seq: number;
  readonly epoch: number;
  /** Of the frames sent since the last refusal, as the refusal returns it. */
  readonly attempt: number;
  /** The last index that the writer knows to be committed, and the epoch of that frame: who has it knows it by this. */
  readonly committed: number;
  readonly committedEpoch: number;
  /** For how long the replica shall let nobody else show anything; 0 for not at all. */
  readonly leaseMs: number;
  /** Sealed; the replica does not change it, and is done with it when it has answered. */
  readonly frame: Buffer | null;
}

/** Gives back what leases the reign has: it has stopped to answer reads. */
export interface ReleaseRequest {
  readonly kind: "release";
  readonly seq: number;
  readonly epoch: number;
}

/** Allows to forget what lies before a record: whole segments go, as far as they are not kept for others. */
export interface TrimRequest {
  readonly kind: "trim";
  readonly seq: number;
  readonly epoch: number;
  /** Of a record that is committed, or the next. */
  readonly position: number;
  /** For each replica that lacks committed frames, the index of the first; none twice, in ascending order. */
  readonly lacked: readonly number[];
  /** Of segments that could go, so many bytes are kept for one that lacks them; one that needs more is passed. */
  readonly keptBytesMax: number;
}

/** Where a log begins that has nothing of what was before. */
export interface Beginning {
  /** Of its first frame; the one before it is committed, and its epoch is the other. */
  readonly firstIndex: number;
  readonly previousEpoch: number;
  /** Of its first record. */
  readonly firstPosition: number;
}

/**
 * Tells a replica that lacks frames which nobody has any more to drop its log and to begin anew, with no frame. One that has
 * the frame before the first, or begins behind it, keeps what it has. It is answered as a frame is.
 */
export interface BeginRequest extends Beginning {
  readonly kind: "begin";
  readonly seq: number;
  readonly epoch: number;
  /** Whose zone has been prepared for it: another in its place does nothing. */
  readonly replicaId: number;
  /** The newest list of replicas that is committed: its frame may be among those that are passed over. */
  readonly list: Configuration;
}

/** Asks which journal's the replica is, and which one of it. */
export interface DescribeRequest {
  readonly kind: "describe";
  readonly seq: number;
}

/** Makes the directory of a blank replica. One that was made before stays as it is; either is described. */
export interface MakeRequest {
  readonly kind: "make";
  readonly seq: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Of the journal's frames; not 0. */
  readonly salt: number;
}

/** Tells the replica of a journal that is formed which ones it has; it keeps the first list only, and is described. */
export interface ListRequest {
  readonly kind: "list";
  readonly seq: number;
  readonly members: readonly Member[];
}

/** Brings committed frames that a replica has told it lacks. Whoever has them may give them: no reign is asked for. */
export interface RepairRequest {
  readonly kind: "repair";
  readonly seq: number;
  /** Sealed, one behind the other, at least one. */
  readonly frames: readonly Buffer[];
}

export type ReplicaRequest =
  | StatusRequest
  | PromiseRequest
  | FetchRequest
  | AppendRequest
  | ReleaseRequest
  | TrimRequest
  | BeginRequest
  | DescribeRequest
  | MakeRequest
  | ListRequest
  | RepairRequest;

export interface StatusAnswer {
  readonly kind: "status";
  readonly seq: number;
  readonly replicaId: number;
  readonly promised: number;
  /** It may promise, and counts. */
  readonly isVoter: boolean;
  /** Since a writer was last heard. */
  readonly silentForMs: number;
  /** What is left of the lease that it has granted. */
  readonly leaseLeftMs: number;
  /** The last writer has given its lease back, and none has come since. */
  readonly isVacant: boolean;
  readonly first: number;
  readonly last: FramePlace;
  readonly committed: number;
  /** Of the process that it has promised the last epoch, for people; empty when it is not known, as after a restart. */
  readonly name: string;
  /** That it ever was one of those that count is not durable. */
  readonly isNew: boolean;
  readonly membership: Membership;
}

export interface PromisedAnswer {
  readonly kind: "promised";
  readonly seq: number;
  readonly replicaId: number;
  readonly epoch: number;
  readonly first: number;
  /** Position of the first record kept. */
  readonly firstPosition: number;
  /** Of durable frames only. */
  readonly last: FramePlace;
  /** Position of the last record in them. */
  readonly lastPosition: number;
  readonly committed: number;
  /** What is left of a lease that another reign holds. */
  readonly leaseLeftMs: number;
  /** Whose that is; 0 when it is not known, as after a restart. */
  readonly holder: number;
  /** Of the frame at `committed`. */
  readonly committedEpoch: number;
  readonly membership: Membership;
}

/** A higher epoch was promised, or the same one to another. */
export interface RefusedAnswer {
  readonly kind: "refused";
  readonly seq: number;
  readonly promised: number;
  /** Who that was promised to; empty when it is not known, as after a restart. */
  readonly name: string;
}

export interface FetchedAnswer {
  readonly kind: "fetched";
  readonly seq: number;
  /** One behind the other, from the index asked for on; none when there is none, or not any more. */
  readonly frames: readonly Buffer[];
  /** The first frame that is still kept. */
  readonly first: number;
  readonly committed: number;
  /** Whose they are. */
  readonly replicaId: number;
}

/** Everything up to and including `index` is durable, and is what the writer has. */
export interface DurableAnswer {
  readonly kind: "durable";
  readonly seq: number;
  readonly index: number;
  /** The lease that the request asked for was given. */
  readonly isGranted: boolean;
  /** Whose answer it is: another disk may be in the place of the one that was asked before. */
  readonly replicaId: number;
}

/** The frame does not continue the log. */
export interface MismatchAnswer {
  readonly kind: "mismatch";
  readonly seq: number;
  readonly attempt: number;
  /** The last index that may match. */
  readonly hint: number;
}

/** It is done: the lease is given back, or the log trimmed. */
export interface DoneAnswer {
  readonly kind: "done";
  readonly seq: number;
  /** Position of the first record that is still kept. */
  readonly firstPosition: number;
}

/** The replica cannot do it for now, or at all: its disk fails, or it is not whole. */
export interface FailedAnswer {
  readonly kind: "failed";
  readonly seq: number;
  readonly reason: string;
}

/** Which journal's the replica is; nothing of it is durable but what was made. */
export interface DescribedAnswer {
  readonly kind: "described";
  readonly seq: number;
  /** 32 hex digits; empty: the replica is blank, and the rest says nothing. */
  readonly clusterId: string;
  readonly salt: number;
  readonly replicaId: number;
  /** Of its last frame; 0 when it has none. */
  readonly lastIndex: number;
  /** None before the journal is formed. */
  readonly members: readonly Member[];
  readonly membersIndex: number;
}

export type ReplicaAnswer =
  | StatusAnswer
  | PromisedAnswer
  | RefusedAnswer
  | FetchedAnswer
  | DurableAnswer
  | MismatchAnswer
  | DoneAnswer
  | FailedAnswer
  | DescribedAnswer;

/** Frames that a replica has had, and that are not intact on its disk any more. */
export interface Rot {
  /** Index of the first; 0 when it is something that the replica puts right by itself. */
  readonly from: number;
  /** Of the last that may lack; those between may not. */
  readonly to: number;
  /** For people: the file and the offset. */
  readonly reason: JournalError;
}

/** A way to one replica. What is sent while it is up is answered or lost; answers may come in any order. */
export interface Link {
  /**
   * Sends, or loses. The bytes of a frame may be read until the request is answered, or `onUp(false)` was called.
   */
  send(request: ReplicaRequest): void;
  /** Nothing comes over it any more. */
  close(): void;
}

/** Who hears what comes over a link. */
export interface LinkListener {
  onAnswer(answer: ReplicaAnswer): void;
  /** Another reign has given back its lease at this replica. */
  onReleased(epoch: number): void;
  /** Whether anything can come for now, and why not. What was sent before is lost. A link begins as down. */
  onUp(isUp: boolean, reason: JournalError | null): void;
  /** The replica will not come back: what it failed of does not pass by itself. */
  onGone(reason: JournalError): void;
  /** The replica waits for its disk, with what it was sent, or with null: it goes on. */
  onStalled(reason: JournalError | null): void;
  /** The replica has promised an epoch; the name is empty when it does not know to whom. */
  onPromised(epoch: number, name: string): void;
  /** The replica lacks frames, also while it is not up for anything else; with null: none any more. */
  onRotten(rot: Rot | null): void;
}
