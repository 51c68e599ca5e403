/**
 * Compacts every few hundred milliseconds, as one of several kube-apiservers does: it writes the revision into
 * `compact_rev_key` by compare-and-swap and then compacts. The revisions are near the current one, so that watches and
 * reads of the past meet the compaction.
 */
import type { TxnAnswer } from "../history/history.ts";
import { rangeOf } from "./kube-client.ts";
import type { Random } from "./random.ts";
import type { RecordedClient } from "./recorded-client.ts";
import type { Subject } from "./subject.ts";
import { delay } from "../../support/delay.ts";

const KEY = "compact_rev_key";

export class CompactingClient {
  /** The last revision that was compacted to for certain. */
  compacted = 0;
  readonly #name: string;
  readonly #subject: Subject;
  readonly #random: Random;
  #version = 0;
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
        await delay(this.#random.integer(50, 400));
        await this.#step(client);
      },
    );
  }

  async #step(client: RecordedClient): Promise<void> {
    const revision = this.#revision();
    if (revision < 0 || !(await this.#announce(client)) || client.lost) return;
    setImmediate(() => this.#subject.signal("compaction"));
    const outcome = await client.call({ kind: "compact", revision, physical: this.#random.once(3) });
    if (outcome.kind === "answered") this.compacted = revision;
  }

  async #announce(client: RecordedClient): Promise<boolean> {
    const value = `${this.#name}-${++this.#written}/20`;
    const outcome = await client.call({
      kind: "txn",
      compare: [{ key: KEY, target: "version", equals: this.#version }],
      success: [{ kind: "put", key: KEY, value, lease: "0", prevKv: false }],
      failure: [rangeOf(KEY)],
    });
    if (outcome.kind !== "answered") return false;
    const answer = outcome.answer as TxnAnswer; // The request was a txn.
    const [response] = answer.responses;
    this.#version = response.kind === "range" ? response.kvs[0].version : this.#version + 1;
    return answer.succeeded;
  }

  /** Mostly a little below what was collected; now and then a revision that cannot be compacted. */
  #revision(): number {
    if (this.#random.once(12)) return this.#subject.recorder.seen + 10_000;
    if (this.#random.once(12)) return this.compacted - this.#random.integer(0, 3);
    if (this.#random.once(4)) return this.#subject.collected;
    return this.#subject.collected - this.#random.integer(0, 200);
  }
}
