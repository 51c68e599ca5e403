/** Makes the ResponseHeader that every reply carries (contract §3.3). */
import type { ResponseHeader } from "../../proto/messages.ts";

/** Any constant above 1 will do: clients only require that it is not zero and never falls. */
const RAFT_TERM = 2;

export class Headers {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly raftTerm: number = RAFT_TERM;

  constructor(clusterId: bigint, memberId: bigint) {
    this.clusterId = clusterId;
    this.memberId = memberId;
  }

  /** @param revision the keyspace's revision at the moment the reply is made (contract §4.2) */
  at(revision: number): ResponseHeader {
    return { clusterId: this.clusterId, memberId: this.memberId, revision, raftTerm: this.raftTerm };
  }
}
