/**
 * Finds out which journal it is that some replicas keep, and which replicas it has; makes it where there is none yet.
 *
 * A journal is formed on all of its replicas, and they are blank: each is made for one journal, in the order of the zones'
 * names, and then each gets the list of all. The first zone's decides which journal it is, and who finds it made goes on with
 * that: of two who form at the same time both come to the same, and what was cut short at any step anybody goes on with.
 * Nothing is promised before all of them have the list. From then on a blank one is one that was lost. What it had promised is
 * not known any more: it is made anew, under another name, and the reign takes it in when it has what the others have.
 *
 * A journal of one replica, or of two as long as it grows, is given more zones the same way.
 */
import { randomBytes, randomInt } from "node:crypto";
import { JournalError } from "./journal.ts";
import { closed, incomplete, ioError, noQuorum, ofCluster } from "./journal-errors.ts";
import { isWholeJournal } from "./listing.ts";
import type { LocalSite } from "./quorum/local-site.ts";
import type { RemoteReplica } from "./quorum/remote-replica.ts";
import type { Described, Membership, ReplicaSite } from "./quorum/replica-site.ts";
import { isMember, refusalOf, replicasError } from "./quorum/replica-site.ts";
import { majorityOf } from "./quorum/voters.ts";
import type { Member } from "./replica/facts.ts";

export interface OpeningOptions {
  /** In the order in which they were given. */
  readonly sites: readonly ReplicaSite[];
  readonly local: readonly LocalSite[];
  readonly remote: readonly RemoteReplica[];
  /** The journal must belong to this cluster; null: to any. */
  readonly clusterId: string | null;
  /** A journal was made here once, so none is made. */
  readonly mustExist: boolean;
  /** Why it is not open yet, each time that this is another reason. */
  readonly onWaiting: (reason: JournalError) => void;
  /** Resolves when a look may show something else. */
  readonly change: () => Promise<void>;
  readonly signal: AbortSignal | null;
}

/** A journal of fewer replicas is given more. */
const ZONES_MIN = 3;

/** What one look has shown. */
type Verdict =
  | { readonly kind: "formed"; readonly membership: Membership }
  | { readonly kind: "form" }
  /** A journal of one replica, from before such ones had a list. */
  | { readonly kind: "list"; readonly alone: ReplicaSite }
  | { readonly kind: "wait"; readonly reason: JournalError };

/** Of a replica whose list is not that of most of them, and of one in a directory: it will not be another by itself. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "ERR_JOURNAL_CLUSTER",
  "ERR_JOURNAL_CORRUPT",
  "ERR_JOURNAL_FORMAT",
  "ERR_JOURNAL_INCOMPLETE",
  "ERR_JOURNAL_REPLICAS",
]);

const PART_OF_ANOTHER =
  "has frames of a journal whose replicas are not known, and may lack records: are the others blank for want of their volumes?";

export class Opening {
  readonly #options: OpeningOptions;
  #told = "";

  constructor(options: OpeningOptions) {
    this.#options = options;
  }

  /** @throws JournalError what will not pass by waiting; `ERR_JOURNAL_CLOSED` when the signal aborts */
  async open(): Promise<Membership> {
    const { local } = this.#options;
    for (;;) {
      if (this.#options.signal?.aborted === true) throw closed();
      const change = this.#options.change();
      // Beside one another: each is read and checked from end to end.
      await Promise.all(local.map((site) => site.look()));
      const verdict = this.#judge();
      if (verdict.kind === "formed") return verdict.membership;
      if (verdict.kind === "wait" && (await this.#repair())) continue;
      const reason = verdict.kind === "wait" ? verdict.reason : await this.#carryOut(verdict);
      // What was done is looked at at once.
      if (reason === null) continue;
      if (this.#isFinal(reason)) throw reason;
      if (reason.message !== this.#told) this.#options.onWaiting(reason);
      this.#told = reason.message;
      await change;
    }
  }

  /**
   * Without a majority there is no reign in which damaged replicas could be repaired: those that are open give what they know to
   * be committed. One that is elsewhere is open by itself then.
   *
   * @returns whether one of this process is open now
   */
  async #repair(): Promise<boolean> {
    const { local, remote } = this.#options;
    let isRepaired = false;
    for (const site of local) {
      const isOpen = await site.repair(async ({ before, to, reason }) => {
        const frames = await this.#committedFrames(before.lastIndex + 1, to);
        if (frames.length === 0) throw reason;
        return frames;
      });
      isRepaired ||= isOpen;
    }
    for (const site of remote) {
      const { rot } = site;
      const frames = rot === null || rot.from === 0 ? [] : await this.#committedFrames(rot.from, rot.to);
      if (frames.length > 0) await site.give(frames);
    }
    return isRepaired;
  }

  /** Of the journal that is about to be opened: frames of another are no use. */
  async #committedFrames(from: number, to: number): Promise<readonly Buffer[]> {
    const salt = this.#listed()?.salt;
    for (const site of this.#options.sites) {
      if (site.described?.salt !== salt) continue;
      const frames = await site.committedFrames(from, to);
      if (frames.length > 0) return frames;
    }
    return [];
  }

  /** Where nobody has to be heard from, nothing is waited for. */
  #isFinal({ code }: JournalError): boolean {
    return this.#options.remote.length === 0 || FINAL_CODES.has(code);
  }

  #judge(): Verdict {
    const { sites, mustExist } = this.#options;
    const membership = this.#listed();
    if (membership !== null) return this.#judgeFormed(membership);
    const problems = sites.flatMap((site) => this.#problemOf(site) ?? []);
    const alone = this.#options.local.find((site) => this.#problemOf(site) === null && isAlone(site));
    if (alone !== undefined) return { kind: "list", alone };
    // A journal is formed on all of its replicas.
    if (problems.length > 0) return { kind: "wait", reason: this.#notAll(problems) };
    // Who has frames and no list is of a journal that was formed: those who know which replicas it has are lost, or swapped.
    const fed = sites.find(({ described }) => (described?.lastIndex ?? 0) > 0);
    if (fed !== undefined) throw incomplete(fed.place, PART_OF_ANOTHER);
    if (!mustExist) return { kind: "form" };
    const [{ place }] = sites;
    throw incomplete(place, "the journal that was made here is missing: is its volume mounted?");
  }

  #judgeFormed(membership: Membership): Verdict {
    const { sites } = this.#options;
    const problems: JournalError[] = [];
    const members = sites.filter((site) => {
      const problem = this.#problemOf(site) ?? refusalOf(site, site.described as Described, membership);
      if (problem !== null) problems.push(problem);
      if (problem !== null) return false;
      const isListed = isMember(site, site.described as Described, membership);
      if (!isListed) problems.push(incomplete(site.place, "the replica was made anew, and not taken in yet"));
      return isListed;
    });
    // Those of another list of zones are judged by it.
    const names = membership.members.map(({ zone }) => zone);
    const quorum = majorityOf(names.length);
    const isSure = members.length >= quorum || sites.every(({ described }) => described !== null);
    if (isSure && !this.#isFor(names)) throw this.#madeWith(`the zones ${names.join(", ")}`);
    if (members.length < quorum) return { kind: "wait", reason: this.#noMajority(problems, names.length - quorum) };
    // Until something was written, some of them may have got another list.
    const isBegun =
      names.length < sites.length ||
      membership.membersIndex > 0 ||
      members.some(({ described }) => (described?.lastIndex ?? 0) > 0);
    const isListed = members.filter(({ described }) => isSameList(described?.members ?? [], membership.members));
    if (isBegun) return { kind: "formed", membership };
    if (problems.length > 0) return { kind: "wait", reason: this.#notAll(problems, false) };
    return isListed.length === sites.length ? { kind: "formed", membership } : { kind: "form" };
  }

  /** Whether a journal of these zones is the one that is meant: all that were given, or one that has some of them and grows. */
  #isFor(names: readonly string[]): boolean {
    const given = this.#options.sites.map(({ zone }) => zone);
    const isPart = names.every((name) => given.includes(name));
    return isPart && (names.length === given.length || names.length < ZONES_MIN);
  }

  /**
   * The journal that was formed, as the replicas that are heard know it; null when it never was. Where they tell of different
   * ones, it is the newest list of the journal that most of them are of: a stranger among them is not.
   */
  #listed(): Membership | null {
    const { sites } = this.#options;
    let best: Membership | null = null;
    let most = 0;
    for (const site of sites) {
      if (this.#problemOf(site) !== null) continue;
      const { clusterId, salt, members, membersIndex } = site.described as Described;
      if (members.length === 0) continue;
      const membership = { clusterId, salt, members, membersIndex };
      const count = sites.filter(({ described }) => described?.salt === salt && described.members.length > 0).length;
      if (count < most || (count === most && best !== null && membersIndex <= best.membersIndex)) continue;
      [best, most] = [membership, count];
    }
    return best;
  }

  /** Why nothing is known of a replica, or why it is none of any journal that this could be. */
  #problemOf({ described, trouble, place }: ReplicaSite): JournalError | null {
    if (described === null) return trouble ?? noQuorum(`${place} was not heard yet`);
    const { clusterId } = this.#options;
    if (clusterId === null || described.clusterId === "" || described.clusterId === clusterId) return null;
    return ofCluster(place, described.clusterId, clusterId);
  }

  /** Resolves to what keeps it from that. */
  async #carryOut(verdict: Verdict): Promise<JournalError | null> {
    if (verdict.kind !== "list") return this.#form();
    const { alone } = verdict;
    return alone.list([{ zone: alone.zone, replicaId: hearOf(alone).replicaId }]).then(
      () => null,
      (error: unknown) => ioError(alone.place, "listing the replica", error),
    );
  }

  /** Makes the journal, or goes on with the making of one that was cut short. Resolves to what keeps it from that. */
  async #form(): Promise<JournalError | null> {
    const { clusterId } = this.#options;
    const sites = this.#options.sites.toSorted((a, b) => (a.zone < b.zone ? -1 : 1));
    const made = sites.find(({ described }) => described !== null && described.clusterId !== "")?.described;
    let identity = {
      // As large as servers tell clients of it.
      clusterId: made?.clusterId ?? clusterId ?? randomBytes(8).toString("hex").padStart(32, "0"),
      salt: made?.salt ?? randomInt(1, 2 ** 32),
    };
    try {
      for (const [i, site] of sites.entries()) {
        if (site.described?.clusterId === "") await site.make(identity.clusterId, identity.salt);
        const described = hearOf(site);
        // Somebody else may have made it meanwhile.
        if (i === 0) identity = { clusterId: described.clusterId, salt: described.salt };
        if (described.clusterId !== identity.clusterId || described.salt !== identity.salt) throw this.#madeApart();
      }
      if (clusterId !== null && identity.clusterId !== clusterId) {
        throw ofCluster(sites[0].place, identity.clusterId, clusterId);
      }
      const members = sites.map((site) => ({ zone: site.zone, replicaId: hearOf(site).replicaId }));
      for (const site of sites) {
        if (hearOf(site).members.length === 0) await site.list(members);
        if (!isSameList(hearOf(site).members, members)) {
          const other = site.described?.members.map(({ zone }) => zone).join(", ");
          throw replicasError(`${site.place}: was made at the same time with other replicas, in the zones ${other}`);
        }
      }
      return null;
    } catch (error) {
      if (error instanceof JournalError) return error;
      throw error;
    }
  }

  #madeApart(): JournalError {
    const places = this.#options.sites.map(({ place }) => place).join(", ");
    return replicasError(
      `the replicas in ${places} were made for different journals, and nothing was written to any: remove them`,
    );
  }

  #madeWith(what: string): JournalError {
    const given = this.#options.sites.map(({ zone }) => zone).join(", ");
    return replicasError(`the journal was made with ${what}, and the zones ${given} are given`);
  }

  /** @param mayBeFinal another may not go on with it either */
  #notAll(problems: readonly JournalError[], mayBeFinal = true): JournalError {
    const texts = problems.map(({ message }) => message).join("; ");
    const final = problems.find((problem) => this.#isFinal(problem));
    if (final !== undefined && (mayBeFinal || this.#options.remote.length === 0)) {
      return problems.length === 1 ? final : new JournalError(final.code, texts, { cause: final });
    }
    return new JournalError("ERR_JOURNAL_NO_QUORUM", `the journal is formed when all its replicas are there: ${texts}`);
  }

  /** @param missingMax of its replicas so many may be missing */
  #noMajority(problems: readonly JournalError[], missingMax: number): JournalError {
    const final = problems.filter((problem) => this.#isFinal(problem));
    const isFinal = final.length > missingMax;
    const { code } = isFinal ? final[0] : noQuorum("");
    const texts = problems.map(({ message }) => message).join("; ");
    return new JournalError(code, `no majority of the journal's replicas: ${texts}`, { cause: problems[0] });
  }
}

function isAlone({ log }: LocalSite): boolean {
  return log !== null && isWholeJournal(log);
}

/** @throws JournalError when it has gone meanwhile */
function hearOf({ described, trouble, place }: ReplicaSite): Described {
  if (described === null) throw trouble ?? noQuorum(`${place} has gone`);
  return described;
}

function isSameList(a: readonly Member[], b: readonly Member[]): boolean {
  const isIn = ({ zone, replicaId }: Member): boolean =>
    b.some((other) => other.zone === zone && other.replicaId === replicaId);
  return a.length === b.length && a.every(isIn);
}
