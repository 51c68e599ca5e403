/**
 * One of the two servers: its connections, its ids, and its answers in plain values. It knows nothing of the other one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { authenticateRequest, authenticateResponse, authStatusRequest, authStatusResponse } from "../../proto/auth.ts";
import * as rare from "../../proto/rare.ts";
import { clusterVersionDecided } from "../support/cluster-version.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { MessageStream } from "../support/etcd-client.ts";
import { rangeRequest } from "../../bench/client/requests.ts";
import type { Store } from "../support/stores.ts";
import type { Member, UnaryCommand } from "./command.ts";
import { STREAMS } from "./command.ts";
import { OWN_URL } from "./cluster-arbitraries.ts";
import type { Names, PlainRange } from "./plain.ts";
import { plainDelete, plainHeader, plainPut, plainRange, plainTxn, text } from "./plain.ts";
import { leaseSlot } from "./symbols.ts";
import { WatchLog } from "./watch-log.ts";

/** What a call came to: a plain answer, or a status. */
export type Answer = { readonly ok: unknown } | { readonly code: number; readonly message: string };

const STRANGER_ID = 12_345n;

const EXPIRY_MILLISECONDS_MAX = 15_000;
const EXPIRY_POLL_MILLISECONDS = 50;

export class Side {
  readonly store: Store;
  /** The leases that the server chose ids for, by slot. */
  readonly leases = new Map<number, bigint>();
  /** All that it ever chose: history still has their ids. */
  readonly #leaseNames = new Map<bigint, string>();
  readonly names: Names;
  #clients: readonly EtcdClient[];
  readonly #memberId: bigint;
  readonly #peerUrl: string;
  #keepAlive: MessageStream<rare.LeaseKeepAliveRequest, rare.LeaseKeepAliveResponse>;

  static async connect(store: Store): Promise<Side> {
    const clients = await connections(store);
    const { header } = await clients[0].range(rangeRequest("x"));
    if (header === null) throw new Error("a range has a header");
    await clusterVersionDecided(clients[0]);
    const [{ peerURLs }] = (await memberList(clients[0])).members;
    return new Side(store, clients, header.clusterId, header.memberId, peerURLs[0]);
  }

  private constructor(
    store: Store,
    clients: readonly EtcdClient[],
    clusterId: bigint,
    memberId: bigint,
    peerUrl: string,
  ) {
    this.store = store;
    this.#clients = clients;
    this.#memberId = memberId;
    this.#peerUrl = peerUrl;
    this.#keepAlive = clients[0].keepAlive();
    this.names = {
      cluster: (id) => named(id, clusterId, "own"),
      member: (id) => named(id, memberId, "own"),
      lease: (id) => this.#leaseName(id),
    };
  }

  close(): void {
    for (const client of this.#clients) client.lean.destroy();
  }

  /** Ends the server and starts it again. Its watch streams are gone. */
  async restart(how: "stop" | "kill"): Promise<void> {
    this.close();
    await this.store[how]();
    await this.store.restart();
    this.#clients = await connections(this.store);
    this.#keepAlive = this.#clients[0].keepAlive();
  }

  /** Opens a watch stream on the connection with that number. */
  watch(connection: number): WatchLog {
    return new WatchLog(this.#clients[connection % this.#clients.length].lean, this.names);
  }

  /**
   * Sends a command whose symbols are resolved.
   *
   * @param turn which connection to take
   */
  async call(command: UnaryCommand, turn: number): Promise<Answer> {
    try {
      return { ok: await this.#call(this.#clients[turn % this.#clients.length], command) };
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (typeof code !== "number") throw error;
      return { code, message };
    }
  }

  /** The ids of all leases, those that the server chose as symbols. */
  async leaseIds(): Promise<bigint[]> {
    const slots = new Map([...this.leases].map(([slot, id]) => [id, leaseSlot(slot)]));
    const { leases } = await this.#clients[0].leaseLeases();
    return leases.map(({ ID }) => slots.get(ID) ?? ID);
  }

  /** Resolves when the server has no lease with that id any more. */
  async revoked(id: bigint): Promise<void> {
    const deadline = performance.now() + EXPIRY_MILLISECONDS_MAX;
    while ((await this.#clients[0].leaseLeases()).leases.some(({ ID }) => ID === id)) {
      if (performance.now() > deadline) throw new Error(`${this.store.name} does not revoke lease ${id}`);
      await delay(EXPIRY_POLL_MILLISECONDS);
    }
  }

  async #call(client: EtcdClient, command: UnaryCommand): Promise<unknown> {
    switch (command.name) {
      case "range":
        return plainRange(await client.range(command.request), this.names);
      case "rangeStream":
        return this.#rangeStream(client, command);
      case "put":
        return plainPut(await client.put(command.request), this.names);
      case "deleteRange":
        return plainDelete(await client.deleteRange(command.request), this.names);
      case "txn":
        return plainTxn(await client.txn(command.request), this.names);
      case "compact":
        return this.#withHeader(await client.compact(command.request));
      case "hashKv":
        return this.#withHeader(await client.hashKv(command.request.revision));
      case "hash":
        return this.#withHeader(await client.rare("Maintenance/Hash", rare.hashRequest, rare.hashResponse, {}));
      case "defragment":
        return this.#withHeader(
          await client.rare("Maintenance/Defragment", rare.defragmentRequest, rare.defragmentResponse, {}),
        );
      case "grant": {
        const response = await client.leaseGrant(command.request);
        if (command.request.ID === 0n) {
          this.leases.set(command.slot, response.ID);
          this.#leaseNames.set(response.ID, `chosen ${this.#leaseNames.size + 1}`);
        }
        return { ...this.#withHeader(response), ID: this.#leaseName(response.ID) };
      }
      case "revoke":
        return this.#withHeader(await client.leaseRevoke(command.request.ID));
      case "keepAlive": {
        this.#keepAlive.send(command.request);
        const response = await this.#keepAlive.next();
        return { ...this.#withHeader(response), ID: this.#leaseName(response.ID) };
      }
      case "timeToLive": {
        const response = await client.leaseTimeToLive(command.request.ID, command.request.keys);
        return { ...this.#withHeader(response), ID: this.#leaseName(response.ID), keys: response.keys.map(text) };
      }
      case "leases": {
        const response = await client.leaseLeases();
        return { ...this.#withHeader(response), leases: response.leases.map(({ ID }) => this.#leaseName(ID)) };
      }
      case "alarm": {
        const response = await client.alarm({ ...command.request, memberID: this.#idOf(command.member) });
        const alarms = response.alarms.map(({ memberID, alarm }) => `${this.names.member(memberID)}: ${alarm}`);
        return { ...this.#withHeader(response), alarms };
      }
      case "authenticate":
        return client.rare("Auth/Authenticate", authenticateRequest, authenticateResponse, command.request);
      case "authStatus":
        return this.#withHeader(await client.rare("Auth/AuthStatus", authStatusRequest, authStatusResponse, {}));
      case "healthCheck": {
        const request = rare.healthCheckRequest.encode(command.request);
        return rare.healthCheckResponse.decode(await client.lean.call("/grpc.health.v1.Health/Check", request));
      }
      case "status":
        return this.#status(await client.status());
      case "memberList":
        return this.#members(await memberList(client));
      case "memberAdd": {
        const request = { ...command.request, peerURLs: this.#urls(command.request.peerURLs) };
        return client.rare("Cluster/MemberAdd", rare.memberAddRequest, rare.memberAddResponse, request);
      }
      case "memberRemove": {
        const request = { ID: this.#idOf(command.member) };
        return client.rare("Cluster/MemberRemove", rare.memberRemoveRequest, rare.memberRemoveResponse, request);
      }
      case "memberUpdate": {
        const request = { ID: this.#idOf(command.member), peerURLs: this.#urls(command.request.peerURLs) };
        return this.#members(
          await client.rare("Cluster/MemberUpdate", rare.memberUpdateRequest, rare.memberUpdateResponse, request),
        );
      }
      case "memberPromote": {
        const request = { ID: this.#idOf(command.member) };
        return client.rare("Cluster/MemberPromote", rare.memberPromoteRequest, rare.memberPromoteResponse, request);
      }
      case "moveLeader": {
        const request = { targetID: this.#idOf(command.member) };
        return client.rare("Maintenance/MoveLeader", rare.moveLeaderRequest, rare.moveLeaderResponse, request);
      }
      case "downgrade":
        return this.#withHeader(
          await client.rare("Maintenance/Downgrade", rare.downgradeRequest, rare.downgradeResponse, command.request),
        );
    }
  }

  /** The messages of the stream put together. That only the last one has a header is part of the answer. */
  async #rangeStream(client: EtcdClient, { request }: UnaryCommand & { name: "rangeStream" }): Promise<unknown> {
    const messages = (await client.rangeStream(request)).map((message) => plainRange(message, this.names));
    const last: PlainRange | undefined = messages.pop();
    if (last === undefined) return "no message";
    const misplaced = messages.filter(({ header, more, count }) => header !== null || more || count !== 0);
    return { ...last, kvs: [...messages.flatMap(({ kvs }) => kvs), ...last.kvs], misplaced };
  }

  #status(response: rare.StatusResponse): unknown {
    const errors = response.errors.map((error) => error.replaceAll(String(this.#memberId), "own"));
    return { ...this.#withHeader(response), leader: this.names.member(response.leader), errors };
  }

  #members(response: rare.MemberListResponse): unknown {
    const members = response.members.map((member) => ({
      ...member,
      ID: this.names.member(member.ID),
      peerURLs: member.peerURLs.length,
      clientURLs: member.clientURLs.map((url) => url.replace(this.store.url, "own")),
    }));
    return { ...this.#withHeader(response), members };
  }

  #withHeader<Response extends { header: Parameters<typeof plainHeader>[0] }>(response: Response) {
    return { ...response, header: plainHeader(response.header, this.names) };
  }

  #urls(urls: readonly string[]): string[] {
    return urls.map((url) => url.replace(OWN_URL, this.#peerUrl));
  }

  #idOf(member: Member): bigint {
    return { own: this.#memberId, any: 0n, stranger: STRANGER_ID }[member];
  }

  #leaseName(id: bigint): string {
    return this.#leaseNames.get(id) ?? String(id);
  }
}

function memberList(client: EtcdClient): Promise<rare.MemberListResponse> {
  const request = { linearizable: true };
  return client.rare("Cluster/MemberList", rare.memberListRequest, rare.memberListResponse, request);
}

/** Each watch stream has a connection of its own, and unary calls take turns on them. */
function connections(store: Store): Promise<EtcdClient[]> {
  return Promise.all(Array.from({ length: STREAMS }, () => EtcdClient.connect(store.url)));
}

function named(id: bigint, own: bigint, name: string): string {
  if (id === own) return name;
  return id === 0n ? "none" : String(id);
}
