/** v3electionpb.Election: the oldest key under an election's name leads, and its value is what the leader proclaims. */
import {
  campaignRequest,
  campaignResponse,
  leaderRequest,
  leaderResponse,
  proclaimRequest,
  proclaimResponse,
  resignRequest,
  resignResponse,
} from "../../../proto/concurrency.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderKey,
  LeaderResponse,
  ProclaimRequest,
} from "../../../proto/concurrency.ts";
import { decodeKeyValue } from "../../../proto/encoded-kv.ts";
import { UNKNOWN } from "../../../proto/grpc-codes.ts";
import type { MessageType } from "../../../proto/message-type.ts";
import type { HeaderOnly } from "../../../proto/rare.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { Leadership } from "../../engine/leadership.ts";
import type { Method } from "../../transport/service.ts";
import { lastingMethod, serverStreamMethod, waitingMethod } from "../method.ts";
import {
  foundBy,
  headerOf,
  isCreatedAt,
  keyOf,
  leave,
  lineOf,
  oldestOf,
  placeTxn,
  putOf,
  sessionOf,
  waitForTurn,
} from "./contention.ts";
import type { Place } from "./contention.ts";
import { observe } from "./observer.ts";
import { OwnCalls } from "./own-calls.ts";
import type { OwnServices } from "./own-calls.ts";
import { GONE } from "./waiting-calls.ts";
import type { WaitingCalls } from "./waiting-calls.ts";

const NO_LEADER_KEY = new Refusal(UNKNOWN, '"leader" field must be provided');
const NOT_LEADER = new Refusal(UNKNOWN, "election: not leader");
const NO_LEADER = new Refusal(UNKNOWN, "election: no leader");

const PATH = "/v3electionpb.Election";

export function electionMethods(services: OwnServices, waiting: WaitingCalls, leadership: Leadership): Method[] {
  const answered = <Request, Response>(
    name: string,
    decode: (message: Buffer) => Request,
    response: MessageType<Response>,
    answer: (calls: OwnCalls, request: Request) => Promise<Response | Refusal>,
  ): Method =>
    lastingMethod(`${PATH}/${name}`, decode, (call, request) => {
      const outcome = answer(new OwnCalls(services, call), request);
      // It answers in any case.
      void waiting.answer(call, encoded(response, outcome));
    });
  return [
    waitingMethod(`${PATH}/Campaign`, campaignRequest.decode, (call, request) => {
      return waiting.run(call, async (signal) => {
        const won = await campaign(new OwnCalls(services, call), request, signal);
        return won instanceof Refusal ? won : campaignResponse.encode(won);
      });
    }),
    answered("Proclaim", proclaimRequest.decode, proclaimResponse, proclaim),
    answered("Leader", leaderRequest.decode, leaderResponse, (calls, { name }) => leader(calls, name)),
    serverStreamMethod(`${PATH}/Observe`, leaderRequest.decode, (call, { name }) =>
      observe(new OwnCalls(services, call), call, lineOf(name), waiting, leadership),
    ),
    answered("Resign", resignRequest.decode, resignResponse, (calls, request) => resign(calls, request.leader)),
  ];
}

async function encoded<Response>(
  response: MessageType<Response>,
  outcome: Promise<Response | Refusal>,
): Promise<Buffer | Refusal> {
  const answer = await outcome;
  return answer instanceof Refusal ? answer : response.encode(answer);
}

async function campaign(
  calls: OwnCalls,
  request: CampaignRequest,
  signal: AbortSignal,
): Promise<CampaignResponse | Refusal> {
  const { name, value } = request;
  const lease = await sessionOf(calls, request.lease);
  if (lease instanceof Refusal) return lease;
  const line = lineOf(name);
  const key = keyOf(line, lease);
  const taken = await calls.txn(placeTxn(key, value, lease, []));
  if (taken instanceof Refusal) return taken;
  const had = taken.succeeded ? null : foundBy(taken.responses[0]);
  const createRevision = had === null ? headerOf(taken).revision : had.createRevision;
  const place = { key, createRevision };
  const refused =
    (had === null || had.value.equals(value) ? null : refusalOf(await change(calls, place, value, lease))) ??
    (await waitForTurn(calls, line, place, signal));
  if (refused === null && !signal.aborted) {
    return { header: taken.header, leader: { name, key, rev: createRevision, lease } };
  }
  // One that had its turn before leads on, whoever is told.
  if (refused !== null || had === null) await leave(calls, place);
  return refused ?? GONE;
}

async function proclaim(calls: OwnCalls, { leader: key, value }: ProclaimRequest): Promise<HeaderOnly | Refusal> {
  if (key === null) return NO_LEADER_KEY;
  const lease = await sessionOf(calls, key.lease);
  if (lease instanceof Refusal) return lease;
  return change(calls, { key: key.key, createRevision: key.rev }, value, lease);
}

/** Changes what a place says, as long as it is there. */
async function change(calls: OwnCalls, place: Place, value: Buffer, lease: bigint): Promise<HeaderOnly | Refusal> {
  const { key, createRevision } = place;
  const changed = await calls.txn({
    compare: [isCreatedAt(key, createRevision)],
    success: [putOf(key, value, lease)],
    failure: [],
  });
  if (changed instanceof Refusal) return changed;
  return changed.succeeded ? { header: changed.header } : NOT_LEADER;
}

async function leader(calls: OwnCalls, name: Buffer): Promise<LeaderResponse | Refusal> {
  const found = await calls.range(oldestOf(lineOf(name)));
  if (found instanceof Refusal) return found;
  return found.kvs.length === 0 ? NO_LEADER : { header: found.header, kv: decodeKeyValue(found.kvs[0]) };
}

async function resign(calls: OwnCalls, key: LeaderKey | null): Promise<HeaderOnly | Refusal> {
  if (key === null) return NO_LEADER_KEY;
  // It is of no use here, but etcd's has one as well.
  const lease = await sessionOf(calls, key.lease);
  return lease instanceof Refusal ? lease : leave(calls, { key: key.key, createRevision: key.rev });
}

function refusalOf(outcome: HeaderOnly | Refusal): Refusal | null {
  return outcome instanceof Refusal ? outcome : null;
}
