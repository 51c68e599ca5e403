/**
 * A client that stays with one server, whatever becomes of that: it asks and writes all the time, over a connection of the good
 * days and over new ones, and waits for the answers as long as it takes. What it is told stands in the history of the run
 * that it began in.
 */
import { EtcdClient } from "../support/etcd-client.ts";
import { delay } from "../support/delay.ts";
import { wholeKeyspace } from "../guarantees/traffic/collector.ts";
import { PREFIX, randomKey, randomPut, rangeOf } from "../guarantees/traffic/kube-client.ts";
import type { Random } from "../guarantees/traffic/random.ts";
import { RecordedClient } from "../guarantees/traffic/recorded-client.ts";
import type { Recorder } from "../guarantees/traffic/recorder.ts";
import { RecordedWatches } from "../guarantees/traffic/recorded-watches.ts";

const EVERY_MS = 40;
const CONNECT_EVERY = 10;

/** Does something while such a client stays with the server at that address. */
export async function besideLoyalClient(
  url: string,
  recorder: Recorder,
  random: Random,
  work: () => Promise<void>,
): Promise<void> {
  const loyal = new LoyalClient(url, recorder, random);
  await Promise.all([loyal.run(), work().finally(() => loyal.end())]);
}

class LoyalClient {
  readonly #url: string;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #run: number;
  readonly #calls: Promise<unknown>[] = [];
  readonly #clients: RecordedClient[] = [];
  #isOver = false;
  #written = 0;

  constructor(url: string, recorder: Recorder, random: Random) {
    this.#url = url;
    this.#recorder = recorder;
    this.#random = random;
    this.#run = recorder.runs - 1;
  }

  /** Begins, and resolves when `end` is called. */
  async run(): Promise<void> {
    const first = await this.#connect();
    const watches = new RecordedWatches(first);
    watches.create(wholeKeyspace(this.#recorder.seen));
    for (let i = 1; !this.#isOver; i++) {
      for (const client of this.#clients) this.#ask(client);
      if (i % CONNECT_EVERY === 0) void this.#connect().catch(() => undefined);
      if (!watches.ended) watches.requestProgress();
      await delay(EVERY_MS);
    }
    for (const client of this.#clients) client.close();
    await Promise.all(this.#calls);
  }

  end(): void {
    this.#isOver = true;
  }

  async #connect(): Promise<RecordedClient> {
    const etcd = await EtcdClient.connect(this.#url);
    const client = new RecordedClient("loyal", this.#run, etcd, this.#recorder);
    if (this.#isOver) client.close();
    else this.#clients.push(client);
    return client;
  }

  #ask(client: RecordedClient): void {
    if (client.lost) return;
    const key = randomKey(this.#random);
    this.#calls.push(client.call(rangeOf(key)), client.call(rangeOf(`${PREFIX}pods`)));
    if (this.#random.once(4))
      this.#calls.push(client.call(randomPut(`loyal-${++this.#written}`, key, "0", this.#random)));
  }
}
