/**
 * The protocol with one mistake in it, for each rule that the protocol has: what the simulation is worth is how soon it
 * finds them. A mutation is a change of the text of one file; the changed tree is a copy that nothing else runs.
 */

export interface Mutation {
  /** The mistake, as a sentence. */
  readonly name: string;
  /** Below `journal/`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a lease counts from when its grant arrives",
    file: "quorum/feed.ts",
    from: "this.#host.onContact(this, round, sentAtMs, answer.isGranted)",
    to: "this.#host.onContact(this, round, clock.nowMs(), answer.isGranted)",
  },
  {
    name: "a lease is counted on for all of its length, whatever the clocks do",
    file: "quorum/read-lease.ts",
    from: "return (leaseMs * (1 - CLOCK_DRIFT_MAX)) / (1 + CLOCK_DRIFT_MAX);",
    to: "return leaseMs * 1.05;",
  },
  {
    name: "a lease of one replica fewer than a majority will do",
    file: "quorum/read-lease.ts",
    from: "[this.#quorum - 1]",
    to: "[Math.max(0, this.#quorum - 2)]",
  },
  {
    name: "an answer that grants nothing renews the lease",
    file: "quorum/quorum-journal.ts",
    from: "else if (isGranted) this.#lease",
    to: "else this.#lease",
  },
  {
    name: "a newcomer does not wait for the lease of another",
    file: "quorum/take-over.ts",
    from: "clock.nowMs() + waitedFor(answer.leaseLeftMs)",
    to: "clock.nowMs()",
  },
  {
    name: "a newcomer asks for a lease while it waits for another's to end",
    file: "quorum/quorum-journal.ts",
    from: "leaseMs: () => (this.#holds.isOver ? leaseMs : 0),",
    to: "leaseMs: () => leaseMs,",
  },
  {
    name: "commits are told while another may still show what it has",
    file: "quorum/quorum-journal.ts",
    from: "if (!this.#holds.isOver) return;\n    const { committed: index }",
    to: "const { committed: index }",
  },
  {
    name: "a restart forgets the lease",
    file: "replica/replica.ts",
    from: "nowMs + log.facts.leaseMsMax",
    to: "nowMs",
  },
  {
    name: "a release of any reign frees the lease",
    file: "replica/replica.ts",
    from: "if (this.#holder === epoch) {",
    to: "{",
  },
  {
    name: "a reign gives its lease back before its last read",
    file: "quorum/quorum-journal.ts",
    from: "this.#lease.end();\n",
    to: "",
  },
  {
    name: "a request that asks for no lease becomes its holder",
    file: "replica/replica.ts",
    from: "if (leaseMs === 0 || epoch !== this.#promised) return false;",
    to: "if (leaseMs === 0) this.#holder = epoch;\n    if (leaseMs === 0 || epoch !== this.#promised) return false;",
  },
  {
    name: "beats of a lower epoch than the promised one are taken",
    file: "replica/replica.ts",
    from: "if (epoch < this.#promised) return this.#refuse(seq, answer);\n    const nowMs",
    to: "if (epoch < this.#promised && frame !== null) return this.#refuse(seq, answer);\n    const nowMs",
  },
  {
    name: "frames of a lower epoch than the promised one are taken",
    file: "replica/replica.ts",
    from: "if (epoch < this.#promised)",
    to: "if (epoch < -1)",
  },
  {
    name: "a promise is answered before it is durable",
    file: "replica/replica.ts",
    from: "} else if (facts.promised === epoch && facts.writer === this.#writer) {",
    to: "} else if (epoch > 0) {",
  },
  {
    name: "a frame is answered before it is durable",
    file: "replica/replica.ts",
    from: "log.append(frame, header, (error) => (error === null ? hasFrame() : failed(error)));",
    to: "this.#verified = Math.max(this.#verified, index); answer({ kind: 'durable', seq, index, isGranted });\n      log.append(frame, header, (error) => (error === null ? end() : failed(error)));",
  },
  {
    name: "what one replica fewer than a majority has is committed",
    file: "quorum/commitment.ts",
    from: "if (count >= this.quorum) reached = candidate;",
    to: "if (count >= this.quorum - 1) reached = candidate;",
  },
  {
    name: "frames of an earlier reign are committed by their count alone",
    file: "quorum/commitment.ts",
    from: "if (reached < this.#barrier || reached <= this.committed) return false;",
    to: "if (reached <= this.committed) return false;",
  },
  {
    name: "the longest log wins, whatever its epoch",
    file: "quorum/take-over.ts",
    from: "return a.epoch === b.epoch ? a.index < b.index : a.epoch < b.epoch;",
    to: "return a.index < b.index;",
  },
  {
    name: "what the writer tells to be committed is so, verified or not",
    file: "replica/replica.ts",
    from: "const known = Math.min(committed, this.#verified);",
    to: "const known = Math.min(committed, this.#log.last.index);",
  },
  {
    name: "an answer tells of the whole log, verified or not",
    file: "replica/replica.ts",
    from: 'answer({ kind: "durable", seq, index: this.#verified, isGranted });\n      }',
    to: 'answer({ kind: "durable", seq, index: log.last.index, isGranted });\n      }',
  },
  {
    name: "the end of a frame cuts the log",
    file: "replica/replica.ts",
    from: "log.epochOf(index) === header.epoch)) return hasFrame();",
    to: "log.epochOf(index) === header.epoch)) { if (index < log.first || index === log.last.index) return hasFrame(); log.cutBehind(index, () => hasFrame()); return; }",
  },
  {
    name: "a frame is taken wherever the log ends",
    file: "replica/replica.ts",
    from: "log.epochOf(index - 1) !== header.previousEpoch) {",
    to: "false) {",
  },
  {
    name: "a replica is asked for frames that the reign may not have",
    file: "quorum/frame-fetcher.ts",
    from: "const answer = await this.#ask(other.peer, from, other.matched);",
    to: "const answer = await this.#ask(other.peer, from, Number.MAX_SAFE_INTEGER);",
  },
  {
    name: "an epoch is promised to two",
    file: "replica/replica.ts",
    from: "const isAgain = epoch === this.#promised && writer === this.#writer;",
    to: "const isAgain = epoch === this.#promised;",
  },
  {
    name: "a fenced writer goes on",
    file: "quorum/feed.ts",
    from: 'else if (answer.kind === "refused" && answer.promised > epoch)',
    to: 'else if (answer.kind === "refused" && answer.promised < epoch)',
  },
  {
    name: "a read index is confirmed by an earlier round",
    file: "quorum/read-indexes.ts",
    from: "filter((each) => each >= this.round)",
    to: "filter((each) => each >= this.round - 1)",
  },
  {
    name: "reads are answered without a lease and without a majority",
    file: "quorum/quorum-journal.ts",
    from: "this.#failure === null && this.#lease.isValidAt(this.#options.clock.nowMs())) return true",
    to: "this.#failure === null) return true",
  },
  {
    name: "a reign serves before its first frame is committed",
    file: "quorum/quorum-journal.ts",
    from: "while (this.#isSettling) {",
    to: "this.#isSettling = false;\n      this.committed = this.appended;\n      while (this.#isSettling) {",
  },
];
