/** Calls of v3lockpb and v3electionpb, and a look at who stands in line. */
import { vi } from "vitest";
import { rangeRequest } from "../../bench/client/requests.ts";
import * as messages from "../../proto/concurrency.ts";
import type { MessageType } from "../../proto/message-type.ts";
import { SORT_ASCEND, SORT_BY_CREATE } from "../../proto/messages.ts";
import type { EtcdClient } from "./etcd-client.ts";
import { keyValues, MessageStream } from "./etcd-client.ts";

/** A waiter is in line after a journal's write or two. */
const IN_LINE_MILLISECONDS_MAX = 15_000;

export class Contenders {
  readonly client: EtcdClient;

  constructor(client: EtcdClient) {
    this.client = client;
  }

  lock(name: string, lease: bigint): Promise<messages.LockResponse> {
    const request = { name: Buffer.from(name), lease };
    return this.#call("v3lockpb.Lock/Lock", messages.lockRequest, messages.lockResponse, request);
  }

  /** Gives the revision of it. */
  async unlock(key: string | Buffer): Promise<number | undefined> {
    const request = { key: Buffer.from(key) };
    const { header } = await this.#call(
      "v3lockpb.Lock/Unlock",
      messages.unlockRequest,
      messages.unlockResponse,
      request,
    );
    return header?.revision;
  }

  campaign(name: string, lease: bigint, value: string): Promise<messages.CampaignResponse> {
    const request = { name: Buffer.from(name), lease, value: Buffer.from(value) };
    const { campaignRequest, campaignResponse } = messages;
    return this.#call("v3electionpb.Election/Campaign", campaignRequest, campaignResponse, request);
  }

  async proclaim(leader: messages.LeaderKey | null, value: string): Promise<number | undefined> {
    const request = { leader, value: Buffer.from(value) };
    const { proclaimRequest, proclaimResponse } = messages;
    const { header } = await this.#call("v3electionpb.Election/Proclaim", proclaimRequest, proclaimResponse, request);
    return header?.revision;
  }

  leader(name: string): Promise<messages.LeaderResponse> {
    const { leaderRequest, leaderResponse } = messages;
    return this.#call("v3electionpb.Election/Leader", leaderRequest, leaderResponse, { name: Buffer.from(name) });
  }

  async resign(leader: messages.LeaderKey | null): Promise<number | undefined> {
    const { resignRequest, resignResponse } = messages;
    const { header } = await this.#call("v3electionpb.Election/Resign", resignRequest, resignResponse, { leader });
    return header?.revision;
  }

  observe(name: string): MessageStream<messages.LeaderRequest, messages.LeaderResponse> {
    const { leaderRequest, leaderResponse } = messages;
    const path = "/v3electionpb.Election/Observe";
    const stream = new MessageStream(this.client.lean, path, leaderRequest.encode, leaderResponse.decode);
    stream.send({ name: Buffer.from(name) });
    stream.stream.halfClose();
    return stream;
  }

  async grant(ID = 0n, TTL = 600): Promise<bigint> {
    return (await this.client.leaseGrant({ ID, TTL })).ID;
  }

  /** The keys of a name, the oldest one first. */
  async line(name: string): Promise<string[]> {
    const range = { rangeEnd: Buffer.from(`${name}0`), sortOrder: SORT_ASCEND, sortTarget: SORT_BY_CREATE };
    const { kvs } = await this.client.range(rangeRequest(`${name}/`, range));
    return keyValues(kvs).map(({ key }) => key.toString());
  }

  /** Waits until the line is so long. */
  async untilInLine(name: string, length: number): Promise<void> {
    const look = async (): Promise<boolean> => (await this.line(name)).length === length;
    await vi.waitUntil(look, { timeout: IN_LINE_MILLISECONDS_MAX });
  }

  async #call<Request, Response>(
    method: string,
    request: MessageType<Request>,
    response: MessageType<Response>,
    message: Request,
  ): Promise<Response> {
    return response.decode(await this.client.lean.call(`/${method}`, request.encode(message)));
  }
}
