/** One of the two servers, as the commands of auth-commands.ts see it: any RPC by name, with a user's token. */
import { inspect } from "node:util";
import { messageType } from "../../../proto/message-type.ts";
import { allMethods } from "../../../proto/schema.ts";
import type { MethodDeclaration } from "../../../proto/schema.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import type { Store } from "../../support/stores.ts";
import type { AuthCommand } from "./auth-commands.ts";
import { NOBODY, RECENT, STRANGER } from "./auth-commands.ts";

const METHODS = new Map<string, MethodDeclaration>(allMethods().map((method) => [method.path, method]));

/** etcd waits for the log position that the number behind the dot stands for, so here it is one that has passed. */
const STRANGERS_TOKEN = "nobodyhasthistoken.1";

type Fields = Record<string, unknown>;

/** How many revisions back a watch begins that has something to tell. */
const RECENT_REVISIONS = 5;

/** etcd answers no progress request while a watch lags behind, so it is asked again and again. */
const PROGRESS_MS = 5;

const watchRequest = messageType<Fields>("etcdserverpb.WatchRequest");

export class AuthSide {
  readonly store: Store;
  #client: EtcdClient;
  /** The last token of each user. */
  #tokens = new Map<string, string>();
  /** The last that was in a header. */
  #revision = 1;

  static async connect(store: Store): Promise<AuthSide> {
    return new AuthSide(store, await EtcdClient.connect(store.url));
  }

  private constructor(store: Store, client: EtcdClient) {
    this.store = store;
    this.#client = client;
  }

  async restart(): Promise<void> {
    this.close();
    await this.store.kill();
    await this.store.restart();
    this.#client = await EtcdClient.connect(this.store.url);
    this.#tokens = new Map();
  }

  close(): void {
    this.#client.lean.destroy();
  }

  forgetTokens(): void {
    this.#tokens.clear();
  }

  /** What the command came to, as text: the answer without ids and sizes that are the server's own, or the status. */
  async call(command: AuthCommand): Promise<string> {
    const method = METHODS.get(`/etcdserverpb.${command.rpc}`);
    if (method === undefined) throw new Error(`there is no ${command.rpc}`);
    const message = messageType<Fields>(method.requestType).encode(this.#filled(command.request));
    const { decode } = messageType<Fields>(method.responseType);
    try {
      if (command.rpc === "Watch/Watch") return inspect(await this.#watch(method, message, command), SHOWN);
      if (method.requestStream || method.responseStream) {
        const messages = await this.#stream(method, message, this.#metadata(command));
        return inspect(
          messages.map((bytes) => this.#plain(command, decode(bytes))),
          SHOWN,
        );
      }
      const answer = await this.#client.lean.call(method.path, message, { metadata: this.#metadata(command) });
      return inspect(this.#plain(command, decode(answer)), SHOWN);
    } catch (error) {
      const { code, message: text } = error as { code?: unknown; message: string };
      if (typeof code !== "number") throw error;
      return `${code}: ${text}`;
    }
  }

  #metadata({ caller, bearer }: AuthCommand): [string, string][] {
    const token = caller === STRANGER ? STRANGERS_TOKEN : this.#tokens.get(caller);
    if (caller === NOBODY || token === undefined) return [];
    return [bearer ? ["authorization", `Bearer ${token}`] : ["token", token]];
  }

  /** All messages of a stream of the server, or the first one of a stream in both directions. */
  #stream(method: MethodDeclaration, message: Buffer, metadata: [string, string][]): Promise<Buffer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
    const messages: Buffer[] = [];
    const stream = this.#client.lean.stream(
      method.path,
      {
        onMessage: (bytes) => {
          messages.push(Buffer.from(bytes));
          if (!method.requestStream) return;
          resolve(messages);
          stream.cancel();
        },
        onEnd: (status, text) => {
          if (status === 0) resolve(messages);
          else reject(Object.assign(new Error(text), { code: status }));
        },
      },
      { metadata },
    );
    stream.send(message);
    if (!method.requestStream) stream.halfClose();
    return promise;
  }

  /** The answer to a watch's creation, its events up to now, and why it ended where it did. */
  #watch(method: MethodDeclaration, message: Buffer, command: AuthCommand): Promise<Fields[]> {
    const { decode } = messageType<Fields>(method.responseType);
    const { promise, resolve, reject } = Promise.withResolvers<Fields[]>();
    let created: Fields | null = null;
    const events: unknown[] = [];
    let asking: NodeJS.Timeout | null = null;
    const stream = this.#client.lean.stream(
      method.path,
      {
        onMessage: (bytes) => {
          const answer = this.#plain(command, decode(Buffer.from(bytes)));
          events.push(...(answer["events"] as unknown[]));
          created ??= answer;
          const isProgress = answer["watchId"] === -1 && answer["created"] === false;
          if (answer["canceled"] === true || isProgress) {
            resolve([created, { events, end: { ...answer, events: [] } }]);
            if (asking !== null) clearInterval(asking);
            stream.cancel();
          } else {
            asking ??= setInterval(() => stream.send(watchRequest.encode({ progressRequest: {} })), PROGRESS_MS);
          }
        },
        onEnd: (status, text) => {
          if (asking !== null) clearInterval(asking);
          reject(Object.assign(new Error(text), { code: status }));
        },
      },
      { metadata: this.#metadata(command) },
    );
    stream.send(message);
    return promise;
  }

  /** The request with a number where a command has a word for it. */
  #filled(request: AuthCommand["request"]): Fields {
    const create = request["createRequest"] as Fields | undefined;
    if (create?.["startRevision"] !== RECENT) return { ...request };
    return { ...request, createRequest: { ...create, startRevision: Math.max(1, this.#revision - RECENT_REVISIONS) } };
  }

  #plain({ rpc, request }: AuthCommand, answer: Fields): Fields {
    if (rpc === "Auth/Authenticate") this.#tokens.set(String(request["name"]), String(answer["token"]));
    this.#revision = Number((answer["header"] as Fields | null)?.["revision"] ?? 0) || this.#revision;
    const plain = Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, plainValue(name, value)]));
    if (rpc === "Maintenance/Status") return { errors: plain["errors"], header: plain["header"] };
    if (rpc === "Cluster/MemberList") return { header: plain["header"] };
    if (rpc === "Maintenance/Hash" || rpc === "Maintenance/HashKV") return { ...plain, hash: "any" };
    if (rpc === "Lease/LeaseTimeToLive")
      return { ...plain, TTL: Number(plain["TTL"]) > 0, keys: sorted(plain["keys"]) };
    if (rpc === "Lease/LeaseLeases") return { ...plain, leases: sorted(plain["leases"]) };
    return plain;
  }
}

const SHOWN = { depth: null, breakLength: Number.POSITIVE_INFINITY } as const;

function plainValue(name: string, value: unknown): unknown {
  if (name === "token") return typeof value === "string" && value.length > 0;
  if (Buffer.isBuffer(value)) return value.toString("latin1");
  if (Array.isArray(value)) return value.map((element) => plainValue("", element));
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([field]) => !OWN_FIELDS.has(field));
  return Object.fromEntries(fields.map(([field, inner]) => [field, plainValue(field, inner)]));
}

/** Ids and terms in headers, which are the server's own. */
const OWN_FIELDS = new Set(["clusterId", "memberId", "raftTerm"]);

/** For lists whose order etcd leaves to chance or to the moment. */
function sorted(list: unknown): string[] {
  return (list as unknown[]).map((element) => inspect(element)).toSorted();
}
