/** A reign begins: what the promises of a majority tell. */
import { expect, test } from "vitest";
import { Peer } from "../../../journal/quorum/peer.ts";
import { takeOver } from "../../../journal/quorum/take-over.ts";
import type { LinkListener, PromiseRequest, ReplicaRequest, StatusRequest } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const members = [1, 2, 3].map((replicaId) => ({ zone: `${replicaId}`, replicaId }));
const membership = { known: { index: 0, members }, next: null };
const EMPTY = { first: 1, last: { index: 0, epoch: 0 }, committed: 0, membership };

/** A replica that is asked, and answers when it is told to. */
class AskedReplica {
  readonly peer: Peer;
  readonly #replicaId: number;
  readonly #requests: ReplicaRequest[] = [];
  #listener: LinkListener | null = null;

  constructor(number: number) {
    this.#replicaId = number + 1;
    this.peer = new Peer(number, `${number + 1}`, false, (listener) => {
      this.#listener = listener;
      return { send: (request) => this.#requests.push(request), close: () => undefined };
    });
    this.peer.onUp(true, null);
  }

  status(promised: number): void {
    const { seq } = this.#last<StatusRequest>("status");
    const state = { promised, isVoter: true, silentForMs: 0, leaseLeftMs: 0, isVacant: false, isNew: false, name: "" };
    this.#listener?.onAnswer({ kind: "status", seq, replicaId: this.#replicaId, ...EMPTY, ...state });
  }

  promise(holder: number, leaseLeftMs: number): void {
    const { seq, epoch } = this.#last<PromiseRequest>("promise");
    const position = { firstPosition: 1, lastPosition: 0, committedEpoch: 0, replicaId: this.#replicaId };
    this.#listener?.onAnswer({ kind: "promised", seq, epoch, ...EMPTY, ...position, leaseLeftMs, holder });
  }

  release(epoch: number): void {
    this.#listener?.onReleased(epoch);
  }

  #last<T extends ReplicaRequest>(kind: T["kind"]): T {
    const request = this.#requests.findLast((each) => each.kind === kind);
    expect(request, `a request of kind ${kind}`).toBeDefined();
    return request as T;
  }
}

test("a lease that is given back before a majority has promised is not waited for, and no other is", async () => {
  const replicas = [0, 1, 2].map((number) => new AskedReplica(number));
  const peers = replicas.map(({ peer }) => peer);
  const winning = takeOver({ peers, clock: new ManualClock(), name: "", writer: 7, timeoutMs: 1_000, resendMs: 100 });
  replicas[0].status(4);
  replicas[1].status(4);
  replicas[0].promise(4, 300);
  replicas[0].release(3);
  replicas[1].release(4);
  replicas[0].release(4);
  replicas[2].promise(3, 200);
  const { epoch, holds } = await winning;
  expect(epoch).toBe(5);
  expect(holds).toMatchObject([{ replica: 2, holder: 3 }]);
});
