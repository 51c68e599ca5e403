/**
 * The journal on one directory, as a server uses it: a put is a record whose position is its revision, acknowledged and
 * shown when it is committed; the state is what the committed records say, read again at each start.
 */
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import type { Journal } from "../../../journal/journal.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { Write } from "../../sim/world/history.ts";
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";
import type { ClientRequest, ServerAnswer } from "../client/messages.ts";
import { Watchers } from "../client/watchers.ts";

const DIRECTORY = "/journal";
/** Small, so that there are many. */
const SEGMENT_BYTES = 8 * 1024;
/** A record has so much more than its key and value at most: segments come to an end. */
const PADDING_MAX = 1_000;
const RETRY_MS = 50;

export interface JournalServerOptions {
  readonly node: Node;
  readonly disk: SimulatedDisk;
  readonly network: Network;
  /** A mistake: puts are acknowledged as they are appended. */
  readonly acksBeforeCommit: boolean;
  /** The process can do nothing more, and is to be started again. */
  readonly onFailed: () => void;
}

export class JournalServer {
  /** All that is committed, from revision 1 on. */
  readonly writes: Write[] = [];
  readonly #options: JournalServerOptions;
  readonly #values = new Map<string, Write>();
  readonly #watchers: Watchers;
  /** Appended, not committed; with who waits for it. */
  #pending: { readonly write: Write; readonly acknowledge: () => void }[] = [];
  #isAgain = false;

  constructor(options: JournalServerOptions) {
    this.#options = options;
    this.#watchers = new Watchers(options.node, options.network);
    this.#open();
  }

  #open(): void {
    const { node } = this.#options;
    this.#load().catch(() => {
      // The disk will do it some day.
      this.#isAgain = true;
      node.clock.after(RETRY_MS, () => this.#open());
    });
  }

  async #load(): Promise<void> {
    const { node, disk, network, onFailed } = this.#options;
    const journal = await openDirectoryJournal({
      directory: DIRECTORY,
      segmentBytes: SEGMENT_BYTES,
      isAgain: this.#isAgain,
      disk,
      clock: node.clock,
      turns: node.turns,
      wallMs: () => 0,
      listener: { onCommitted: (committed) => this.#onCommitted(committed), onFailed },
    });
    try {
      await this.#replay(journal);
    } catch (error) {
      await journal.close();
      throw error;
    }
    network.attach(node, (message, from) => this.#handle(journal, message as ClientRequest, from)); // From clients.
    this.#watchers.beat();
  }

  async #replay(journal: Journal): Promise<void> {
    this.writes.length = 0;
    this.#values.clear();
    for await (const run of journal.read(1)) {
      for (let i = 0; i < run.count; i++) {
        // It is what was appended.
        const { key, value } = JSON.parse(run.bytes(i).toString()) as Write;
        this.#apply({ key, value, revision: run.first + i });
      }
    }
  }

  #handle(journal: Journal, request: ClientRequest, from: Node): void {
    const { id } = request;
    if (request.kind === "watch") {
      this.#watchers.add(from, id, request.from);
      return this.#watchers.show(this.writes);
    }
    if (request.kind === "get") {
      const { value, revision } = this.#values.get(request.key) ?? { value: null, revision: 0 };
      return this.#send(from, { kind: "answer", id, value, revision });
    }
    const { key, value } = request;
    const padding = ".".repeat(this.#options.node.world.integer(0, PADDING_MAX));
    let revision;
    try {
      revision = journal.append(Buffer.from(JSON.stringify({ key, value, padding })));
    } catch {
      return this.#send(from, { kind: "refused", id });
    }
    const write = { key, value, revision };
    const acknowledge = (): void => this.#send(from, { kind: "answer", id, value, revision: write.revision });
    if (this.#options.acksBeforeCommit) acknowledge();
    this.#pending.push({ write, acknowledge });
  }

  #onCommitted(committed: number): void {
    const behind = this.#pending.findIndex(({ write }) => write.revision > committed);
    const done = this.#pending.splice(0, behind === -1 ? this.#pending.length : behind);
    for (const { write, acknowledge } of done) {
      this.#apply(write);
      if (!this.#options.acksBeforeCommit) acknowledge();
    }
    this.#watchers.show(this.writes);
  }

  #apply(write: Write): void {
    this.writes.push(write);
    this.#values.set(write.key, write);
  }

  #send(to: Node, answer: ServerAnswer): void {
    this.#options.network.send(this.#options.node, to, answer);
  }
}
