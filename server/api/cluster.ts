/** etcdserverpb.Cluster: one member, the server itself (contract §9.1). */
import { memberListRequest, memberListResponse } from "../../proto/rare.ts";
import type { Member } from "../../proto/rare.ts";
import type { Method } from "../transport/service.ts";
import type { Callers } from "./callers.ts";
import type { Headers } from "./header.ts";
import { readMethod } from "./method.ts";

/** @param clientUrls must be reachable by clients: they connect to what they read here */
export function clusterMethods(
  headers: Headers,
  callers: Callers,
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
  return [
    readMethod("/etcdserverpb.Cluster/MemberList", memberListRequest.decode, (call) => {
      const refused = callers.refuseNobody(call);
      if (refused !== null) return call.fail(refused);
      // Member replies carry ids only, no revision (contract §4.2).
      call.reply(memberListResponse.encode({ header: headers.at(0), members: [member] }));
    }),
  ];
}
