/**
 * The leases of one apiserver's events. As kube-apiserver does it, many events share one: it is used for a minute, for at
 * most 1,000 events, and lives that minute longer than an event has to.
 */

import { leaseGrantRequest, leaseGrantResponse } from "../../proto/rare.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { monotonicMs } from "./clock.ts";

/** Longer than any run, so that no event goes meanwhile; kube-apiserver's default is an hour. */
const EVENT_SECONDS = 6 * 3_600;
const REUSED_SECONDS = 60;
const EVENTS_PER_LEASE = 1_000;

type OnLease = (lease: bigint, error: string | null) => void;

export class EventLeases {
  readonly #client: LeanClient;
  #lease = 0n;
  #usedUntilMs = 0;
  #events = 0;
  #waiting: { readonly events: number; readonly onLease: OnLease }[] | null = null;

  constructor(client: LeanClient) {
    this.#client = client;
  }

  /** Hands over the lease for so many more events, now or when there is one. */
  take(events: number, onLease: OnLease): void {
    if (this.#waiting !== null) {
      this.#waiting.push({ events, onLease });
    } else if (this.#events + events <= EVENTS_PER_LEASE && monotonicMs() < this.#usedUntilMs) {
      this.#events += events;
      onLease(this.#lease, null);
    } else {
      this.#waiting = [{ events, onLease }];
      this.#grant();
    }
  }

  #grant(): void {
    const request = leaseGrantRequest.encode({ TTL: EVENT_SECONDS + REUSED_SECONDS, ID: 0n });
    this.#client.unary("/etcdserverpb.Lease/LeaseGrant", request, (status, reply, text) => {
      const waiting = this.#waiting ?? [];
      this.#waiting = null;
      if (status !== 0) {
        for (const { onLease } of waiting) onLease(0n, `no lease was granted, status ${status}: ${text}`);
        return;
      }
      this.#lease = leaseGrantResponse.decode(reply).ID;
      this.#usedUntilMs = monotonicMs() + REUSED_SECONDS * 1_000;
      this.#events = 0;
      // More may wait than one lease has room for.
      for (const { events, onLease } of waiting) this.take(events, onLease);
    });
  }
}
