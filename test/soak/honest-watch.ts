/** Watches all that honest clients write, and goes on behind the last event whenever its connection or the server is gone. */
import type { WatchResponse } from "../../proto/messages.ts";
import { prefixWatch } from "../../bench/client/requests.ts";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import { HONEST_PREFIX, shortValue } from "./honest-client.ts";
import type { Ledger } from "./ledger.ts";
import { delay } from "../support/delay.ts";
import type { TestedServer } from "./tested-server.ts";

const RECONNECT_MS = 100;
const PROGRESS_EVERY_MS = 1_000;

export class HonestWatch {
  /** What comes next: all before it was told. */
  nextRevision: number;
  events = 0;
  readonly #server: TestedServer;
  readonly #ledger: Ledger;

  constructor(server: TestedServer, ledger: Ledger, firstRevision: number) {
    this.#server = server;
    this.#ledger = ledger;
    this.nextRevision = firstRevision;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = await EtcdClient.connect(this.#server.url).catch(() => null);
      if (client === null) {
        await delay(RECONNECT_MS);
        continue;
      }
      await this.#follow(client, signal).catch(() => delay(RECONNECT_MS));
      client.lean.destroy();
    }
  }

  /** @throws when the stream is over */
  async #follow(client: EtcdClient, signal: AbortSignal): Promise<void> {
    const stream = client.watch();
    await stream.create(prefixWatch(HONEST_PREFIX, { startRevision: this.nextRevision, progressNotify: true }));
    while (!signal.aborted) {
      if (await stream.arrives(PROGRESS_EVERY_MS)) this.#take(await stream.next());
      else stream.requestProgress();
    }
  }

  #take({ header, canceled, compactRevision, events, ...rest }: WatchResponse): void {
    if (canceled) {
      this.#ledger.violate(`the watch was canceled at ${this.nextRevision}, compacted at ${compactRevision}`);
      throw new Error("canceled");
    }
    if (events.length === 0) {
      // Progress: all up to this revision has been told.
      this.#ledger.watchedUpTo(header?.revision ?? 0);
      this.nextRevision = Math.max(this.nextRevision, (header?.revision ?? 0) + 1);
      return;
    }
    for (const { kv } of eventsOf({ header, canceled, compactRevision, events, ...rest })) {
      if (kv === null) continue;
      this.#ledger.event(kv.key.toString("latin1"), kv.modRevision, shortValue(kv.value));
      this.nextRevision = kv.modRevision + 1;
      this.events++;
    }
  }
}
