/**
 * The protocol with one mistake in it, for each rule that the protocol has: what the simulation is worth is how soon it
 * finds them. A mutation is a change of the text of a file or two; the changed tree is a copy that nothing else runs.
 */
import type { Scenario } from "../stage.ts";
import { anotherTail } from "../scenarios/another-tail.ts";
import { chairs } from "../scenarios/chairs.ts";
import { cleanStop } from "../scenarios/clean-stop.ts";
import { clocksApart } from "../scenarios/clocks-apart.ts";
import { cutRestartForce } from "../scenarios/cut-restart-force.ts";
import { figureEight } from "../scenarios/figure-eight.ts";
import { forgottenPromise } from "../scenarios/forgotten-promise.ts";
import { lateAnswers } from "../scenarios/late-answers.ts";
import { lateComer } from "../scenarios/late-comer.ts";
import { lateList } from "../scenarios/late-list.ts";
import { lateRepairs } from "../scenarios/late-repairs.ts";
import { leaseEnd } from "../scenarios/lease-end.ts";
import { lostDisks } from "../scenarios/lost-disks.ts";
import { oldDisks } from "../scenarios/old-disks.ts";
import { overtaken } from "../scenarios/overtaken.ts";
import { passedBy } from "../scenarios/passed-by.ts";
import { rivals } from "../scenarios/rivals.ts";
import { rottenDisks } from "../scenarios/rotten-disks.ts";
import { rollingPower } from "../scenarios/rolling-power.ts";
import { shortReign } from "../scenarios/short-reign.ts";
import { split } from "../scenarios/split.ts";
import { succession } from "../scenarios/succession.ts";
import { thaw } from "../scenarios/thaw.ts";
import { trimmedLists } from "../scenarios/trimmed-lists.ts";

export interface Change {
  /** Below `journal/`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutation extends Change {
  /** The mistake, as a sentence. */
  readonly name: string;
  /** What else it needs: another place that would make it good. */
  readonly also?: readonly Change[];
  /** That is aimed at it; all of them in turn without one. */
  readonly scenario?: Scenario;
  /** At least ten times what the slowest of three runs needed, where that is soon enough for a test. */
  readonly seedsMax?: number;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a lease counts from when its grant arrives",
    file: "quorum/feed.ts",
    from: "this.#host.onContact(this, round, sentAtMs, answer.isGranted)",
    to: "this.#host.onContact(this, round, clock.nowMs(), answer.isGranted)",
    scenario: lateAnswers,
    seedsMax: 30,
  },
  {
    name: "a lease is counted on for all of its length, whatever the clocks do",
    file: "quorum/read-lease.ts",
    from: "return (leaseMs * (1 - CLOCK_DRIFT_MAX)) / (1 + CLOCK_DRIFT_MAX);",
    to: "return leaseMs;",
    scenario: clocksApart,
  },
  {
    name: "a lease of one replica fewer than a majority will do",
    file: "quorum/read-lease.ts",
    from: "this.#voters.reached(this.#sentAtMs)",
    to: "this.#sentAtMs.toSorted((a, b) => b - a)[Math.max(0, Math.floor(this.#sentAtMs.length / 2) - 1)]",
    scenario: split,
  },
  {
    name: "an answer that grants nothing renews the lease",
    file: "quorum/quorum-journal.ts",
    from: "else if (isGranted) this.#lease",
    to: "else this.#lease",
    scenario: succession,
  },
  {
    name: "a newcomer does not wait for the lease of another",
    file: "quorum/take-over.ts",
    from: "clock.nowMs() + waitedFor(answer.leaseLeftMs)",
    to: "clock.nowMs()",
    scenario: succession,
    seedsMax: 150,
  },
  {
    name: "a newcomer asks for a lease while it waits for another's to end",
    file: "quorum/quorum-journal.ts",
    from: "leaseMs: () => (this.#holds.isOver ? leaseMs : 0),",
    to: "leaseMs: () => leaseMs,",
    scenario: overtaken,
  },
  {
    name: "commits are told while another may still show what it has",
    file: "quorum/quorum-journal.ts",
    from: "if (!this.#holds.isOver) return;\n    const { committed: index }",
    to: "const { committed: index }",
    seedsMax: 450,
  },
  {
    name: "a restart forgets the lease",
    file: "replica/replica.ts",
    from: "nowMs + log.facts.leaseMsMax",
    to: "nowMs",
    scenario: cutRestartForce,
  },
  {
    name: "a release of any reign frees the lease",
    file: "replica/replica.ts",
    from: "if (this.#holder === epoch) {",
    to: "{",
    scenario: thaw,
    seedsMax: 270,
  },
  {
    name: "a reign gives its lease back before its last read",
    file: "quorum/quorum-journal.ts",
    from: "await Promise.race([this.#tellAll(), this.#change()]);",
    to: "this.#release();\n      await Promise.race([this.#tellAll(), this.#change()]);",
    scenario: cleanStop,
  },
  {
    name: "a request that asks for no lease becomes its holder",
    file: "replica/replica.ts",
    from: "if (leaseMs === 0 || epoch !== this.#promised) return false;",
    to: "if (leaseMs === 0) this.#holder = epoch;\n    if (leaseMs === 0 || epoch !== this.#promised) return false;",
    scenario: overtaken,
  },
  {
    name: "beats of a lower epoch than the promised one are taken",
    file: "replica/replica.ts",
    from: "if (epoch < this.#promised) return this.#refuse(seq, answer);\n    const nowMs",
    to: "if (epoch < this.#promised && frame === null) return answer({ kind: 'durable', seq, index: this.#verified, isGranted: true });\n    if (epoch < this.#promised) return this.#refuse(seq, answer);\n    const nowMs",
    scenario: succession,
    seedsMax: 30,
  },
  {
    name: "frames of a lower epoch than the promised one are taken",
    file: "replica/replica.ts",
    from: "if (epoch < this.#promised)",
    to: "if (epoch < -1)",
    seedsMax: 30,
  },
  {
    name: "a promise is answered before it is durable",
    file: "replica/replica.ts",
    from: "} else if (facts.promised === epoch && facts.writer === this.#writer) {",
    to: "} else if (epoch > 0) {",
    scenario: forgottenPromise,
    seedsMax: 1_060,
  },
  {
    name: "a frame is answered before it is durable",
    file: "replica/replica.ts",
    from: "log.append(frame, header, (error) => (error === null ? hasFrame() : failed(error)));",
    to: "this.#verified = Math.max(this.#verified, index); answer({ kind: 'durable', seq, index, isGranted });\n      log.append(frame, header, (error) => (error === null ? end() : failed(error)));",
    scenario: rollingPower,
  },
  {
    name: "what one replica fewer than a majority has is committed",
    file: "quorum/commitment.ts",
    from: "this.#voters.reached(this.#durable)",
    to: "this.#durable.toSorted((a, b) => b - a)[Math.max(0, Math.floor(this.#durable.length / 2) - 1)]",
    seedsMax: 80,
  },
  {
    name: "frames of an earlier reign are committed by their count alone",
    file: "quorum/commitment.ts",
    from: "if (reached < this.#barrier || reached <= this.committed) return false;",
    to: "if (reached < this.#barrier - 1 || reached <= this.committed) return false;",
    also: [
      {
        file: "quorum/quorum-journal.ts",
        from: 'if (index < this.#barrier || index === this.#toldIndex) return;\n    const frame = this.#window.get(index);\n    assert(frame !== null, "what is not told yet is in the window");',
        to: "if (index < this.#barrier - 1 || index === this.#toldIndex) return;\n    const frame = index < this.#barrier ? { lastPosition: this.appended } : this.#window.get(index);",
      },
    ],
    scenario: figureEight,
  },
  {
    name: "the longest log wins, whatever its epoch",
    file: "quorum/electorate.ts",
    from: "return a.epoch === b.epoch ? a.index < b.index : a.epoch < b.epoch;",
    to: "return a.index < b.index;",
    scenario: shortReign,
    seedsMax: 270,
  },
  {
    name: "a refused frame takes the writer no further back",
    file: "replica/replica.ts",
    from: "this.#log.lastUpTo(previousEpoch), index - 2));",
    to: "this.#log.lastUpTo(previousEpoch), index - 1));",
    scenario: shortReign,
  },
  {
    name: "any log that is promised wins",
    file: "quorum/electorate.ts",
    from: "const best = counted.reduce((a, b) => (isBefore(a, b) ? b : a));",
    to: "const best = counted[0];",
    scenario: chairs,
    seedsMax: 30,
  },
  {
    name: "what one reign has verified counts for the next",
    file: "replica/replica.ts",
    from: "    this.#verified = this.#log.committed;\n    this.#heardAtMs",
    to: "    this.#heardAtMs",
    scenario: lateComer,
    seedsMax: 30,
  },
  {
    name: "what is at the disk when a promise comes is answered to its writer",
    file: "replica/replica.ts",
    from: "      if (epoch < this.#promised) {\n        this.#refuse(seq, answer);\n      } else {",
    to: "      {",
    scenario: chairs,
  },
  {
    name: "a promise is given below a greater one",
    file: "replica/replica.ts",
    from: "if (epoch < this.#promised || (epoch === this.#promised && !isAgain)) return this.#refuse(seq, answer);",
    to: "if (epoch === this.#promised && !isAgain) return this.#refuse(seq, answer);",
    also: [
      { file: "replica/replica.ts", from: 'assert(epoch > this.#promised, "promised epochs only grow");', to: "" },
    ],
    scenario: rivals,
    seedsMax: 90,
  },
  {
    name: "what the writer tells to be committed is so, verified or not",
    file: "replica/replica.ts",
    from: "const known = Math.min(committed, this.#verified);",
    to: "const known = Math.min(committed, this.#log.last.index);",
    scenario: lateComer,
    seedsMax: 30,
  },
  {
    name: "an answer tells of the whole log, verified or not",
    file: "replica/replica.ts",
    from: "index: this.#verified, isGranted",
    to: "index: this.#log.last.index, isGranted",
    scenario: lateComer,
    seedsMax: 270,
  },
  {
    name: "the end of a frame cuts the log",
    file: "replica/replica.ts",
    from: "log.epochOf(index) === header.epoch)) return hasFrame();",
    to: "log.epochOf(index) === header.epoch)) { if (index < log.first || index === log.last.index) return hasFrame(); log.cutBehind(index, () => hasFrame()); return; }",
    scenario: chairs,
    seedsMax: 130,
  },
  {
    name: "a frame is taken wherever the log ends",
    file: "replica/replica.ts",
    from: "log.epochOf(index - 1) !== header.previousEpoch) {",
    to: "false) {",
    seedsMax: 150,
  },
  {
    name: "a replica is asked for frames that the reign may not have",
    file: "quorum/frame-fetcher.ts",
    from: "return this.#patience.ask(peer, this.#reign.epoch, from, matched);",
    to: "return this.#patience.ask(peer, this.#reign.epoch, from, Number.MAX_SAFE_INTEGER);",
    also: [
      { file: "quorum/frame-fetcher.ts", from: " && matched >= index)", to: ")" },
      { file: "quorum/frame-fetcher.ts", from: " || b.matched - a.matched", to: "" },
    ],
    scenario: chairs,
    seedsMax: 1_260,
  },
  {
    name: "an epoch is promised to two",
    file: "replica/replica.ts",
    from: "const isAgain = epoch === this.#promised && writer === this.#writer;",
    to: "const isAgain = epoch === this.#promised;",
    scenario: rivals,
    seedsMax: 90,
  },
  {
    name: "a fenced writer goes on",
    file: "quorum/feed.ts",
    from: 'else if (answer.kind === "refused" && answer.promised > epoch)',
    to: 'else if (answer.kind === "refused" && answer.promised < epoch)',
    also: [
      {
        file: "quorum/quorum-journal.ts",
        from: "if (epoch > this.epoch && this.#voters.counts(peer.number)) this.#end(fenced(epoch, name));",
        to: "if (epoch < 0) this.#end(fenced(epoch, name));",
      },
    ],
    seedsMax: 30,
  },
  {
    name: "a read index is confirmed by an earlier round",
    file: "quorum/read-indexes.ts",
    from: "this.#voters.reached(this.#answered) < this.round",
    to: "this.#voters.reached(this.#answered) < this.round - 1",
    scenario: lateAnswers,
  },
  {
    name: "reads that come during a round are answered with it",
    file: "quorum/read-indexes.ts",
    from: "this.#late.push(tell);",
    to: "this.#waiting.push(tell);",
    scenario: lateAnswers,
  },
  {
    name: "a read index is confirmed by one replica fewer than a majority",
    file: "quorum/read-indexes.ts",
    from: "this.#voters.reached(this.#answered) < this.round",
    to: "this.#answered.toSorted((a, b) => b - a)[Math.max(0, Math.floor(this.#answered.length / 2) - 1)] < this.round",
    scenario: split,
    seedsMax: 180,
  },
  {
    name: "a read is answered by a clock that was read before it came",
    file: "quorum/quorum-journal.ts",
    from: "lease.isValidAt(this.#options.clock.nowMs());",
    to: "lease.isValidAt(this.seenMs ?? Number.POSITIVE_INFINITY);",
    also: [
      {
        file: "quorum/quorum-journal.ts",
        from: "for (const feed of this.#feeds) feed.beat(nowMs - beatMs / 2);",
        to: "this.seenMs = nowMs;\n    for (const feed of this.#feeds) feed.beat(nowMs - beatMs / 2);",
      },
    ],
    scenario: leaseEnd,
  },
  {
    name: "what waits for a round is shown when the reign has ended",
    file: "quorum/read-indexes.ts",
    from: "for (const tell of waiting) tell(failure);",
    to: "for (const tell of waiting) tell(null);",
    scenario: split,
  },
  {
    name: "reads are answered without a lease and without a majority",
    file: "quorum/quorum-journal.ts",
    from: "return lease.isEndless || lease.isValidAt(this.#options.clock.nowMs());",
    to: "return this.#failure === null && lease !== null;",
  },
  {
    name: "a reign serves before its first frame is committed",
    file: "quorum/quorum-journal.ts",
    from: "while (this.#isSettling) {",
    to: "this.#isSettling = false;\n      this.committed = this.appended;\n      while (this.#isSettling) {",
  },
  {
    name: "a replica that was made anew promises",
    file: "replica/replica.ts",
    from: "return lists(this.#membership.known, facts.replicaId);",
    to: "return facts.members.length === 0 || lists(this.#membership.known, facts.replicaId);",
    also: [
      {
        file: "quorum/electorate.ts",
        from: "answers.filter(({ replicaId }) => lists(known, replicaId));",
        to: "answers;",
      },
    ],
    scenario: lostDisks,
    seedsMax: 100,
  },
  {
    name: "a replica that was made anew has the name of the one that was lost",
    file: "../test/simulation/quorum/quorum-system.ts",
    from: "newIds.set(replica.name, newId(world));",
    to: "",
    scenario: lostDisks,
    seedsMax: 100,
  },
  {
    name: "what a zone says counts, whichever replica is there",
    file: "quorum/voters.ts",
    from: "member.zone === zone && (replicaId === 0 || member.replicaId === replicaId)",
    to: "member.zone === zone",
    scenario: oldDisks,
  },
  {
    name: "what another replica had said in its zone counts for a new one",
    file: "quorum/peer.ts",
    from: "if (replicaId === this.replicaId) return;",
    to: "if (this.replicaId !== 0) return;",
    scenario: lostDisks,
    seedsMax: 60,
  },
  {
    name: "a list of replicas counts when it is sealed",
    file: "quorum/voters.ts",
    from: "this.#sit([this.newest, next]);",
    to: "this.#sit([next]);",
    scenario: oldDisks,
  },
  {
    name: "a newcomer needs no majority of a list that may be committed",
    file: "quorum/electorate.ts",
    from: "const isOneMore = next.members.length > known.members.length;",
    to: "const isOneMore = true;",
    scenario: lateList,
  },
  {
    name: "a newcomer counts by the list that is longest known",
    file: "quorum/electorate.ts",
    from: "return a.index > b.index || b.members.length === 0;",
    to: "return b.members.length === 0 || (a.members.length > 0 && a.index < b.index);",
    scenario: oldDisks,
    seedsMax: 100,
  },
  {
    name: "two lists of replicas are changed at a time",
    file: "quorum/membership.ts",
    from: " || voters.next !== null) return;",
    to: ") return;",
    also: [
      { file: "quorum/voters.ts", from: 'assert(this.next === null, "lists change one after the other");', to: "" },
    ],
    scenario: lostDisks,
    seedsMax: 120,
  },
  {
    name: "a replica that was listed forgets it at a restart",
    file: "replica/mark.ts",
    from: "members: decodeMembers(bytes, MEMBERS_OFFSET, bytes.readUInt8(117)),\n    membersIndex: readUint64(bytes, 120),",
    to: "members: readUint64(bytes, 120) > 0 ? [] : decodeMembers(bytes, MEMBERS_OFFSET, bytes.readUInt8(117)),\n    membersIndex: 0,",
    scenario: trimmedLists,
    seedsMax: 30,
  },
  {
    name: "a replica that was replaced is listed again",
    file: "quorum/membership.ts",
    from: "return status.isNew && status.committed >= target;",
    to: "return true;",
    scenario: oldDisks,
    seedsMax: 100,
  },
  {
    name: "a replica that lacks the end of its log votes without it",
    file: "replica/recovery.ts",
    from: "while (gap !== null && (gap.next !== null || position.lastEpoch <= repair.promised)) {",
    to: "while (gap !== null && gap.next !== null) {",
    scenario: rottenDisks,
    seedsMax: 100,
  },
  {
    name: "a frame that is not known to be committed is given to one that lacks it",
    file: "replica/replica.ts",
    from: "epoch === 0 ? log.committed : log.last.index",
    to: "log.last.index",
    scenario: anotherTail,
    seedsMax: 30,
  },
  {
    name: "frames are put back that were not asked for",
    file: "replica/wanted-frames.ts",
    from: " || first !== wish.gap.before.lastIndex + 1) return false;",
    to: ") return false;",
    also: [
      {
        file: "replica/wanted-frames.ts",
        from: "    this.#spareFirst = first;",
        to: "    this.#spareFirst = wish.gap.before.lastIndex + 1;",
      },
    ],
    scenario: lateRepairs,
    seedsMax: 150,
  },
  {
    name: "frames are handed on as they are on the disk, intact or not",
    file: "replica/frame-scanner.ts",
    from: "this.stopped = !readFrame(this.#buffer, this.#next, this.#filled, this.#salt, frame) || !continues(frame, this);",
    to: "readFrame(this.#buffer, this.#next, this.#filled, this.#salt, frame);\n    this.stopped = !continues(frame, this);",
    scenario: rottenDisks,
    seedsMax: 100,
  },
  {
    name: "a replica begins anew behind what is not committed",
    file: "quorum/frame-fetcher.ts",
    from: "if (header.index !== firstIndex) return null;\n    return { firstIndex, ",
    to: "return { firstIndex: header.index, ",
    also: [
      {
        file: "quorum/quorum-journal.ts",
        from: "inMemory: (index) => this.#window.get(index)?.bytes ?? null,",
        to: "inMemory: () => this.#window.get(this.#window.last)?.bytes ?? null,",
      },
      {
        file: "../test/simulation/quorum/quorum-server.ts",
        from: 'assert(this.#snapshot.writes.length >= firstPosition - 1, "a snapshot has what is passed over");',
        to: "this.#snapshot.writes = [...this.writes];",
      },
    ],
    scenario: passedBy,
    seedsMax: 30,
  },
  {
    name: "a replica begins anew whatever it has",
    file: "replica/replica.ts",
    from: "return firstIndex < this.#log.first || this.#log.epochOf(firstIndex - 1) === previousEpoch;",
    to: "return false;",
    also: [
      {
        file: "replica/replica.ts",
        from: 'assert(log.committed < firstIndex - 1, "what is committed is the same in every log");',
        to: "",
      },
      {
        file: "replica/directory-log.ts",
        from: 'assert(this.committed < beginning.firstIndex - 1, "what is known to be committed is not dropped");',
        to: "",
      },
      {
        file: "replica/directory-log.ts",
        from: 'assert(beginning.firstIndex > this.first, "a log begins anew behind its beginning");\n    assert(beginning.firstPosition >= this.firstPosition, "positions only grow");',
        to: "",
      },
    ],
    scenario: passedBy,
  },
  {
    name: "a log is dropped before it is durable that it is",
    file: "replica/directory-log.ts",
    from: "await this.#mark.beginAnew(this, facts, { previousEpoch, clusterId });\n    await removeSegments(this.#disk, this.#directory);",
    to: "await removeSegments(this.#disk, this.#directory);\n    await this.#mark.beginAnew(this, facts, { previousEpoch, clusterId });",
    scenario: passedBy,
    seedsMax: 620,
  },
  {
    name: "what is written to a log that has begun anew is dropped by the next start",
    file: "replica/mark.ts",
    from: "    this.#begunAnew = null;\n    await this.lower(log);",
    to: "    await this.lower(log);",
    scenario: passedBy,
    seedsMax: 270,
  },
  {
    name: "a replica that begins anew learns of no list that it passes over",
    file: "replica/replica.ts",
    from: "const facts = this.#factsWith(list);",
    to: "const { facts } = log;",
    scenario: passedBy,
  },
];
