/** etcdserverpb.Maintenance (contract §9.2). */
import {
  ALARM_ACTION_ACTIVATE,
  ALARM_ACTION_DEACTIVATE,
  ALARM_ACTION_GET,
  ALARM_CORRUPT,
  ALARM_NONE,
  ALARM_NOSPACE,
  alarmResponse,
  defragmentRequest,
  defragmentResponse,
  downgradeRequest,
  downgradeResponse,
  hashKVRequest,
  hashKVResponse,
  hashRequest,
  hashResponse,
  moveLeaderRequest,
  moveLeaderResponse,
  statusRequest,
  statusResponse,
} from "../../proto/rare.ts";
import type { AlarmRequest, DowngradeRequest, HashKVRequest, MoveLeaderRequest } from "../../proto/rare.ts";
import type { Alarm } from "../../partitions/alarms.ts";
import type { WholeHasher } from "../../partitions/walk/hash.ts";
import type { HistoryHasher } from "../../partitions/walk/history-hasher.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { Turns } from "../clock.ts";
import type { SpaceGuard } from "../engine/space-guard.ts";
import { ALARM } from "../engine/alarm-commands.ts";
import { Backup } from "../etcd-backup/backup.ts";
import type { Compactor } from "../engine/compactor.ts";
import type { Applier } from "../engine/applier.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import type { Proposer } from "../engine/proposer.ts";
import type { Method, UnaryCall } from "../transport/service.ts";
import { CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION } from "../version.ts";
import { CallWaiter } from "./call-waiter.ts";
import type { Callers } from "./callers.ts";
import { checkDowngrade } from "./downgrade.ts";
import { readConfirmed } from "./confirmed-reads.ts";
import { Hashes } from "./hashes.ts";
import type { Headers } from "./header.ts";
import { commandMethod, readMethod } from "./method.ts";
import { snapshotMethod } from "./snapshot.ts";
import { BAD_LEADER_TRANSFEREE } from "./statuses.ts";

export interface MaintenanceContext {
  readonly keyspace: Keyspace;
  readonly applier: Pick<Applier, "applied">;
  readonly proposer: Proposer;
  readonly guard: SpaceGuard;
  readonly compactor: Pick<Compactor, "hashes">;
  readonly turns: Turns;
  readonly callers: Callers;
  readonly headers: Headers;
  readonly reads: ReadGate;
  /** Who the member says that it is. */
  readonly member: MemberFacts;
}

interface MemberFacts {
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

export class MaintenanceService {
  readonly methods: readonly Method[];
  readonly #context: MaintenanceContext;
  readonly #hashes: Hashes;

  constructor(context: MaintenanceContext) {
    this.#context = context;
    this.#hashes = new Hashes(context.turns);
    this.methods = [
      readMethod("/etcdserverpb.Maintenance/Status", statusRequest.decode, (call) => this.#status(call)),
      commandMethod("/etcdserverpb.Maintenance/Alarm", ALARM, (call, request, record) =>
        this.#alarm(call, request, record),
      ),
      // Memory is reclaimed as compaction goes: there is nothing to defragment, and saying so is a success.
      this.#adminMethod("Defragment", defragmentRequest.decode, (call) =>
        call.reply(defragmentResponse.encode({ header: null })),
      ),
      this.#adminMethod("Hash", hashRequest.decode, (call) => this.#hash(call)),
      this.#adminMethod("HashKV", hashKVRequest.decode, (call, request) => this.#hashKv(call, request)),
      snapshotMethod(context, () => this.beginBackup()),
      this.#adminMethod("MoveLeader", moveLeaderRequest.decode, (call, request) => this.#moveLeader(call, request)),
      this.#adminMethod("Downgrade", downgradeRequest.decode, (call, request) => this.#downgrade(call, request)),
    ];
  }

  /** A method for users with the root role. */
  #adminMethod<Request>(
    name: string,
    decode: (message: Buffer) => Request,
    handle: (call: UnaryCall, request: Request) => void,
  ): Method {
    const { callers } = this.#context;
    return readMethod(`/etcdserverpb.Maintenance/${name}`, decode, (call, request) => {
      const refused = callers.refuseAdmin(call);
      if (refused === null) handle(call, request);
      else call.fail(refused);
    });
  }

  /** The journal's positions stand for Raft's indexes. Position 0 of a fresh journal is shown as 1: clients want growth from above 0. */
  #status(call: UnaryCall): void {
    const { keyspace, applier, proposer, headers, guard, callers } = this.#context;
    const refused = callers.refuseNobody(call);
    if (refused !== null) return call.fail(refused);
    call.reply(
      statusResponse.encode({
        header: headers.at(keyspace.revision),
        version: ETCD_VERSION,
        dbSize: keyspace.bytes,
        leader: proposer.isWritable ? headers.memberId : NO_LEADER,
        // A server that follows another one has executed what it never proposed.
        raftIndex: Math.max(proposer.appended, applier.applied) + 1,
        raftTerm: headers.raftTerm,
        raftAppliedIndex: applier.applied + 1,
        errors: [...(proposer.isWritable ? [] : [NO_LEADER_TEXT]), ...this.#alarms().map(alarmText)],
        // Nothing lies free for reuse: what compaction removes is gone, and history until then is in use, as in etcd.
        dbSizeInUse: keyspace.bytes,
        isLearner: false,
        storageVersion: STORAGE_VERSION,
        dbSizeQuota: Number.isFinite(guard.quotaBytes) ? guard.quotaBytes : NO_QUOTA,
        downgradeInfo: { enabled: false, targetVersion: "" },
      }),
    );
  }

  #alarm(call: UnaryCall, request: AlarmRequest, record: Buffer): void {
    const { proposer, callers, reads } = this.#context;
    const { action, alarm } = request;
    if (action === ALARM_ACTION_GET) return readConfirmed(reads, call, () => this.#listAlarms(call, alarm));
    const denied = callers.refuseAdmin(call);
    if (denied !== null) return call.fail(denied);
    // Changing no particular alarm, or in no known way, changes nothing.
    const known = alarm === ALARM_NOSPACE || alarm === ALARM_CORRUPT;
    if (!known || (action !== ALARM_ACTION_ACTIVATE && action !== ALARM_ACTION_DEACTIVATE))
      return this.#replyAlarms(call, []);
    const waiter = new CallWaiter<readonly Alarm[]>(call, (_, alarms) => this.#replyAlarms(call, alarms));
    const refused = proposer.propose(ALARM, request, record, waiter);
    if (refused !== null) call.fail(refused);
  }

  /** Of all members, whichever is asked for: so does etcd. */
  #listAlarms(call: UnaryCall, alarm: number): void {
    const denied = this.#context.callers.refuseNobody(call);
    if (denied !== null) return call.fail(denied);
    this.#replyAlarms(
      call,
      this.#alarms().filter((each) => alarm === ALARM_NONE || each.alarm === alarm),
    );
  }

  /** etcd's list knows members alone: quotas of partitions that are reached stand in it as this one's NOSPACE. */
  #alarms(): readonly Alarm[] {
    const { keyspace, headers } = this.#context;
    const alarms = keyspace.alarms();
    const isShown = alarms.some(({ alarm }) => alarm === ALARM_NOSPACE);
    if (isShown || !keyspace.quotas.isAnyReached) return alarms;
    return [...alarms, { memberId: headers.memberId, alarm: ALARM_NOSPACE }];
  }

  #replyAlarms(call: UnaryCall, alarms: readonly Alarm[]): void {
    const { headers, keyspace } = this.#context;
    const header = headers.at(keyspace.revision);
    const members = alarms.map(({ memberId, alarm }) => ({ memberID: memberId, alarm }));
    call.reply(alarmResponse.encode({ header, alarms: members }));
  }

  #hash(call: UnaryCall): void {
    const { headers, keyspace } = this.#context;
    const open = (): WholeHasher => keyspace.openHashAll();
    this.#hashes.make(call, open, ({ hash, headerRevision }) => {
      call.reply(hashResponse.encode({ header: headers.at(headerRevision), hash }));
    });
  }

  #hashKv(call: UnaryCall, request: HashKVRequest): void {
    const { headers, keyspace, compactor } = this.#context;
    const kept = compactor.hashes.at(request.revision);
    if (kept !== null) return call.reply(hashKVResponse.encode({ header: headers.at(keyspace.revision), ...kept }));
    const open = (): HistoryHasher | Refusal => keyspace.openHash(request.revision);
    const refusal = open();
    if (refusal instanceof Refusal) return call.fail(refusal);
    this.#hashes.make(call, open, ({ hash, headerRevision, compactRevision, hashRevision }) => {
      const header = headers.at(headerRevision);
      call.reply(hashKVResponse.encode({ header, hash, compactRevision, hashRevision }));
    });
  }

  /** A backup of what there is now. Position and reign stand for Raft's index and term, as in Status. */
  beginBackup(): Backup {
    const { keyspace, applier, headers, member } = this.#context;
    const { memberId, raftTerm: term } = headers;
    return new Backup(keyspace, { ...member, memberId, term, index: applier.applied + 1 });
  }

  /** The only member leads already. As in etcd the reply has no header. */
  #moveLeader(call: UnaryCall, { targetID }: MoveLeaderRequest): void {
    if (targetID !== this.#context.headers.memberId) return call.fail(BAD_LEADER_TRANSFEREE);
    call.reply(moveLeaderResponse.encode({ header: null }));
  }

  #downgrade(call: UnaryCall, request: DowngradeRequest): void {
    const { headers, keyspace } = this.#context;
    const refused = checkDowngrade(request);
    if (refused !== null) return call.fail(refused);
    call.reply(downgradeResponse.encode({ header: headers.at(keyspace.revision), version: CLUSTER_MINOR }));
  }
}

/** The cluster's version as Downgrade says it: without the patch. */
const CLUSTER_MINOR = CLUSTER_VERSION.split(".", 2).join(".");

/** What etcd says when nobody leads, which is so here while the journal cannot be written. */
const NO_LEADER = 0n;
const NO_LEADER_TEXT = "etcdserver: no leader";

/** etcd repeats the flag, of which any negative number means that there is no quota. */
const NO_QUOTA = -1;

const ALARM_NAMES = ["NONE", "NOSPACE", "CORRUPT"];

/** The alarm's message in protobuf's text form, which leaves out a member that is 0. */
function alarmText({ memberId, alarm }: Alarm): string {
  const member = memberId === 0n ? "" : `memberID:${memberId} `;
  return `${member}alarm:${ALARM_NAMES[alarm]}`;
}
