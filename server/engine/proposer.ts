/**
 * What services write through. It stays while reigns over the journal come and go: proposals go to the committer of the
 * present one.
 */
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { CommandKind } from "./command.ts";
import type { Committer, Trouble } from "./committer.ts";
import type { Waiter } from "./proposal.ts";
import { SERVER_STOPPED } from "./refusals.ts";

export class Proposer {
  #committer: Committer | null = null;

  /** From now on proposals go to this committer. */
  serve(committer: Committer): void {
    this.#committer = committer;
  }

  /** Why writes are refused, or null while they are taken. */
  get failure(): Refusal | null {
    return this.#committer === null ? SERVER_STOPPED : this.#committer.failure;
  }

  /** What keeps the journal from being written, or null when nothing does. */
  get trouble(): Trouble | null {
    return this.#committer === null ? null : this.#committer.trouble;
  }

  /** Whether what is proposed now can be committed now. */
  get isWritable(): boolean {
    return this.failure === null && this.trouble === null;
  }

  /** The number of the present reign, or of the last one; 0 before the first. */
  get epoch(): number {
    return this.#committer === null ? 0 : this.#committer.epoch;
  }

  /** Position of the last record given to the journal. */
  get appended(): number {
    return this.#committer === null ? 0 : this.#committer.appended;
  }

  /** Position of the last record that the journal has told to be committed. */
  get committed(): number {
    return this.#committer === null ? 0 : this.#committer.committed;
  }

  /**
   * Hands a command to the journal.
   *
   * @param record the command's request as `recordOf` gives it for this kind
   * @param identity the user on whose behalf, or null for nobody
   * @returns null when the command is on its way and the waiter will be told; else why it is refused, and nothing happened
   */
  propose<Request, Response>(
    kind: CommandKind<Request, Response>,
    request: Request,
    record: Buffer,
    waiter: Waiter<Response>,
    identity: Identity | null = null,
  ): Refusal | null {
    const committer = this.#committer;
    return committer === null ? SERVER_STOPPED : committer.propose(kind, request, record, waiter, identity);
  }

  /** Stops taking proposals. */
  stop(): void {
    this.#committer?.stop();
  }
}
