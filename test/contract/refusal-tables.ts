/** Every row of the error table that a call to one server can bring about, by the state of the store that it takes. */
import type { EtcdClient } from "../support/etcd-client.ts";
import { prepare, REFUSED_CALLS } from "./refused-calls.ts";
import type { RefusedCall } from "./refused-calls.ts";
import { REFUSED_WITHOUT_USERS, refusedWhenDisabled, refusedWhenEnabled } from "./refused-users.ts";

export interface RefusalTable {
  readonly state: string;
  /** Brings an empty store into that state. */
  prepare(client: EtcdClient): Promise<readonly RefusedCall[]>;
}

export const REFUSAL_TABLES: readonly RefusalTable[] = [
  {
    state: "keys, a lease and a compaction",
    prepare: async (client) => {
      await prepare(client);
      return [...REFUSED_CALLS, ...REFUSED_WITHOUT_USERS];
    },
  },
  { state: "users", prepare: refusedWhenDisabled },
  { state: "authentication", prepare: refusedWhenEnabled },
];
