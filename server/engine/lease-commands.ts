/** The commands that begin and end leases. Keeping one alive is no command: it changes nothing but a clock. */
import { leaseGrantRequest, leaseRevokeRequest } from "../../proto/rare.ts";
import type { LeaseGrantRequest, LeaseRevokeRequest } from "../../proto/rare.ts";
import type { Revoked } from "../../partitions/txn/lease-revoke.ts";
import type { Counters } from "../metrics/counters.ts";
import { commandKind } from "./command.ts";
import { LEASE_COST_BYTES } from "./costs.ts";

/** Id and TTL are the granted ones. */
export const LEASE_GRANT = commandKind<LeaseGrantRequest, null>({
  code: 5,
  name: "lease grant",
  method: "/etcdserverpb.Lease/LeaseGrant",
  decode: leaseGrantRequest.decode,
  encode: leaseGrantRequest.encode,
  growth: () => LEASE_COST_BYTES,
  execute: (keyspace, { ID, TTL }) => keyspace.leaseGrant(ID, TTL),
  effects: ({ leases }, { ID, TTL }) => leases.add(ID, TTL),
  count(counters, { TTL }) {
    counters.leasesGranted++;
    counters.leaseTtlSeconds.observe(TTL);
  },
});

/** Asked for by a client, who decides with it over all the keys. */
export const LEASE_REVOKE = commandKind<LeaseRevokeRequest, Revoked>({
  code: 6,
  name: "lease revoke",
  method: "/etcdserverpb.Lease/LeaseRevoke",
  decode: leaseRevokeRequest.decode,
  encode: leaseRevokeRequest.encode,
  refuse: ({ authorization }, { ID }, identity) => authorization.refuseLeaseWrite(identity, ID),
  execute: (keyspace, { ID }) => keyspace.beginLeaseRevoke(ID),
  effects: ({ leases }, { ID }) => leases.remove(ID),
  count: countRevoked,
});

/** The server's own act when a lease has run out: no change of users and roles keeps it from that. */
export const LEASE_EXPIRY = commandKind<LeaseRevokeRequest, Revoked>({
  code: 9,
  name: "lease expiry",
  decode: leaseRevokeRequest.decode,
  encode: leaseRevokeRequest.encode,
  execute: LEASE_REVOKE.execute,
  effects: LEASE_REVOKE.effects,
  count(counters, request, revoked) {
    countRevoked(counters, request, revoked);
    counters.leasesExpired++;
  },
});

/** To etcd a revocation is a txn that deletes the keys one by one. */
function countRevoked(counters: Counters, _: LeaseRevokeRequest, { deleted }: Revoked): void {
  counters.leasesRevoked++;
  counters.deletes += deleted;
  if (deleted > 1) counters.txns++;
}
