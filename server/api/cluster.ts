/**
 * etcdserverpb.Cluster: one member, the server itself (contract §9.1). It cannot become another one or more: what would
 * make it so is refused in the words with which etcd refuses to remove its last member.
 */
import {
  memberAddRequest,
  memberListRequest,
  memberListResponse,
  memberPromoteRequest,
  memberRemoveRequest,
  memberUpdateRequest,
  memberUpdateResponse,
} from "../../proto/rare.ts";
import type { Member, MemberListResponse, MemberUpdateRequest } from "../../proto/rare.ts";
import type { Method, Status, UnaryCall } from "../transport/service.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import type { Callers } from "./callers.ts";
import { readConfirmed } from "./confirmed-reads.ts";
import type { Headers } from "./header.ts";
import { readMemberUrls } from "./member-urls.ts";
import { readMethod } from "./method.ts";
import {
  MEMBER_NOT_FOUND,
  MEMBER_NOT_LEARNER,
  MEMBER_URLS_INVALID,
  NOT_ENOUGH_STARTED_MEMBERS,
  PEER_URL_EXISTS,
} from "./statuses.ts";

/** @param clientUrls must be reachable by clients: they connect to what they read here */
export function clusterMethods(
  headers: Headers,
  callers: Callers,
  reads: ReadGate,
  name: string,
  peerUrls: readonly string[],
  clientUrls: readonly string[],
): Method[] {
  const member: Member = {
    ID: headers.memberId,
    name,
    peerURLs: [...peerUrls],
    clientURLs: [...clientUrls],
    isLearner: false,
  };
  // Member replies carry ids only, no revision (contract §4.2).
  const members = (): MemberListResponse => ({ header: headers.at(0), members: [member] });
  /** Refuses who has not the root role, what is asked of another member, which there is not, and of this one with `own`. */
  const failFor = (call: UnaryCall, id: bigint, own: Status): void =>
    call.fail(callers.refuseAdmin(call) ?? (id === member.ID ? own : MEMBER_NOT_FOUND));
  return [
    readMethod("/etcdserverpb.Cluster/MemberList", memberListRequest.decode, (call, { linearizable }) => {
      const list = (): void => {
        const refused = callers.refuseNobody(call);
        if (refused === null) call.reply(memberListResponse.encode(members()));
        else call.fail(refused);
      };
      if (linearizable) readConfirmed(reads, call, list);
      else list();
    }),
    readMethod("/etcdserverpb.Cluster/MemberAdd", memberAddRequest.decode, (call, request) => {
      const urls = readMemberUrls(request.peerURLs);
      if (urls === null) return call.fail(MEMBER_URLS_INVALID);
      const exists = urls.some((url) => peerUrls.includes(url));
      call.fail(callers.refuseAdmin(call) ?? (exists ? PEER_URL_EXISTS : NOT_ENOUGH_STARTED_MEMBERS));
    }),
    readMethod("/etcdserverpb.Cluster/MemberRemove", memberRemoveRequest.decode, (call, { ID }) =>
      failFor(call, ID, NOT_ENOUGH_STARTED_MEMBERS),
    ),
    readMethod("/etcdserverpb.Cluster/MemberUpdate", memberUpdateRequest.decode, (call, request) => {
      if (!isUpToDate(request, member)) return failFor(call, request.ID, NOT_ENOUGH_STARTED_MEMBERS);
      const refused = callers.refuseAdmin(call);
      if (refused === null) call.reply(memberUpdateResponse.encode(members()));
      else call.fail(refused);
    }),
    readMethod("/etcdserverpb.Cluster/MemberPromote", memberPromoteRequest.decode, (call, { ID }) =>
      failFor(call, ID, MEMBER_NOT_LEARNER),
    ),
  ];
}

/** Whether the member has these URLs already. The others of an update etcd does not check before it takes them. */
function isUpToDate({ ID, peerURLs }: MemberUpdateRequest, member: Member): boolean {
  return (
    ID === member.ID &&
    peerURLs.length === member.peerURLs.length &&
    peerURLs.every((url, i) => url === member.peerURLs[i])
  );
}
