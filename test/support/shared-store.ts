/** One running store and one connection to it for all the tests of a describe block, and the short ways to change it. */
import { afterAll, beforeAll } from "vitest";
import { EtcdClient } from "./etcd-client.ts";
import { deleteRequest, prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import type { StartStore, Store } from "./stores.ts";

export class SharedStore {
  #store: Store | null = null;
  #client: EtcdClient | null = null;

  /** To be called where tests are defined: starts the store before them and removes it after them. */
  constructor(start: StartStore, flags: readonly string[] = []) {
    beforeAll(async () => {
      this.#store = await start(flags);
      await this.reconnect();
    });
    afterAll(async () => {
      this.#client?.lean.destroy();
      await this.#store?.remove();
    });
  }

  get store(): Store {
    return there(this.#store);
  }

  get client(): EtcdClient {
    return there(this.#client);
  }

  /** A new connection in place of the old one, as after a restart. */
  async reconnect(): Promise<void> {
    this.#client?.lean.destroy();
    this.#client = await EtcdClient.connect(this.store.url);
  }

  /** Gives the revision of the put. */
  async put(key: string, value = "", lease = 0n): Promise<number> {
    const { header } = await this.client.put(putRequest(key, value, { lease }));
    return there(header).revision;
  }

  /** Deletes one key, or the keys with that prefix if it ends with a slash, and gives the revision. */
  async delete(key: string): Promise<number> {
    const { header } = await this.client.deleteRange(deleteRequest(key, key.endsWith("/") ? prefixEnd(key) : ""));
    return there(header).revision;
  }

  /** The current revision. */
  async revision(): Promise<number> {
    const { header } = await this.client.range(rangeRequest("no such key"));
    return there(header).revision;
  }
}

function there<T>(value: T | null): T {
  if (value === null) throw new Error("it is not there");
  return value;
}
