/** Makes the ResponseHeader that every reply carries (contract §3.3). */
import type { ResponseHeader } from "../../proto/messages.ts";

/** What a reply tells as the Raft term: the number of the reign over the journal, which only grows. */
export interface Term {
  readonly epoch: number;
}

export class Headers {
  /** May be set before the first reply: who goes on without a part of the journal begins a new cluster. */
  clusterId: bigint;
  readonly memberId: bigint;
  readonly #term: Term;

  constructor(clusterId: bigint, memberId: bigint, term: Term) {
    this.clusterId = clusterId;
    this.memberId = memberId;
    this.#term = term;
  }

  get raftTerm(): number {
    return this.#term.epoch;
  }

  /** @param revision the keyspace's revision at the moment the reply is made (contract §4.2) */
  at(revision: number): ResponseHeader {
    return { clusterId: this.clusterId, memberId: this.memberId, revision, raftTerm: this.raftTerm };
  }
}
