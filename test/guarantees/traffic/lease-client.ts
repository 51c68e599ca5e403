/** Leases as short as they can be: some run out, some are revoked, some renewed, and keys come and go under all of them. */
import type { OpRequest } from "../history/history.ts";
import { PREFIX, randomPut, rangeOf } from "./kube-client.ts";
import type { Random } from "./random.ts";
import type { RecordedClient } from "./recorded-client.ts";
import type { Subject } from "./subject.ts";
import { delay } from "../../support/delay.ts";

/** The server takes no shorter ones. */
export const TTL_SECONDS = 2;
/** Leases that one client looks after at a time. The oldest one is left to its fate. */
const LEASES_MAX = 8;
/** Some of these are the other clients' as well, who put them without a lease or delete them. */
const FIRST_KEY = 6;
const LAST_KEY = 21;

const WEIGHTS = { grant: 3, put: 8, swap: 4, keepAlive: 5, timeToLive: 3, leases: 1, revoke: 1 };

export class LeaseClient {
  readonly #name: string;
  readonly #subject: Subject;
  readonly #random: Random;
  readonly #leases: string[] = [];
  #written = 0;

  constructor(name: string, subject: Subject, random: Random) {
    this.#name = name;
    this.#subject = subject;
    this.#random = random;
  }

  async run(): Promise<void> {
    await this.#subject.repeat(
      this.#name,
      () => this.#subject.isBusy,
      async (client) => {
        await this.#step(client);
        await delay(this.#random.integer(1, 20));
      },
    );
  }

  async #step(client: RecordedClient): Promise<void> {
    const choice = this.#random.weighted(WEIGHTS);
    if (choice === "grant" || this.#leases.length === 0) return this.#grant(client);
    const lease = this.#random.pick(this.#leases);
    const key = `${PREFIX}events/default/${this.#random.integer(FIRST_KEY, LAST_KEY + 1)}`;
    switch (choice) {
      case "put":
        await client.call(this.#put(key, lease));
        return;
      case "swap": {
        const mod = (await client.answer(rangeOf(key)))?.kvs[0]?.mod ?? 0;
        if (client.lost) return;
        const compare = [{ key, target: "mod" as const, equals: mod }];
        await client.call({ kind: "txn", compare, success: [this.#put(key, lease)], failure: [rangeOf(key)] });
        return;
      }
      case "leases":
        await client.call({ kind: "leases" });
        return;
      default:
        await client.call({ kind: choice, lease });
    }
  }

  async #grant(client: RecordedClient): Promise<void> {
    // Ids of our own, so that a grant whose answer is lost can be told from others.
    const lease = (
      BigInt(this.#random.integer(1, 2 ** 31)) * 2n ** 31n +
      BigInt(this.#random.integer(0, 2 ** 31))
    ).toString();
    const answer = await client.answer({ kind: "grant", lease, ttl: TTL_SECONDS });
    if (answer === null) return;
    this.#leases.push(lease);
    if (this.#leases.length > LEASES_MAX) this.#leases.shift();
  }

  #put(key: string, lease: string): OpRequest & { kind: "put" } {
    return randomPut(`${this.#name}-${++this.#written}`, key, lease, this.#random);
  }
}
