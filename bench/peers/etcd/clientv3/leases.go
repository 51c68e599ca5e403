package main

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const unknownLease = clientv3.LeaseID(4242)

var leaseScenarios = []scenario{
	{"a lease from its grant to its revocation", func(s *store) (facts, error) {
		lease, err := s.Grant(s.ctx, 600)
		if err != nil {
			return nil, err
		}
		if _, err := s.Put(s.ctx, s.key("a"), "1", clientv3.WithLease(lease.ID)); err != nil {
			return nil, err
		}
		kept, err := s.KeepAliveOnce(s.ctx, lease.ID)
		if err != nil {
			return nil, err
		}
		stream, err := s.KeepAlive(s.ctx, lease.ID)
		if err != nil {
			return nil, err
		}
		streamed := <-stream
		rest, err := s.TimeToLive(s.ctx, lease.ID, clientv3.WithAttachedKeys())
		if err != nil {
			return nil, err
		}
		if _, err := s.Revoke(s.ctx, lease.ID); err != nil {
			return nil, err
		}
		after, err := s.KV.Get(s.ctx, s.key("a"))
		if err != nil {
			return nil, err
		}
		_, again := s.Revoke(s.ctx, lease.ID)
		return facts{
			"granted": lease.TTL, "error": lease.Error, "kept": kept.TTL, "streamed": streamed.TTL,
			"grantedTtl": rest.GrantedTTL, "restWithin": 0 < rest.TTL && rest.TTL <= 600, "keys": len(rest.Keys),
			"after": after.Count, "revokedAgain": seenOf(again),
		}, nil
	}},
	{"an unknown lease", func(s *store) (facts, error) {
		_, once := s.KeepAliveOnce(s.ctx, unknownLease)
		_, put := s.Put(s.ctx, s.key("a"), "1", clientv3.WithLease(unknownLease))
		_, revoked := s.Revoke(s.ctx, unknownLease)
		rest, err := s.TimeToLive(s.ctx, unknownLease)
		if err != nil {
			return nil, err
		}
		stream, err := s.KeepAlive(s.ctx, unknownLease)
		if err != nil {
			return nil, err
		}
		_, kept := <-stream
		return facts{
			"keepAliveOnce": seenOf(once), "keepAlive": kept, "put": seenOf(put), "revoke": seenOf(revoked),
			"rest": rest.TTL, "granted": rest.GrantedTTL, "id": rest.ID, "keys": len(rest.Keys),
		}, s.ctx.Err()
	}},
	{"grants that are refused", func(s *store) (facts, error) {
		// An application that chooses the id goes past the client's Grant, which leaves the choice to the server.
		leases := clientv3.RetryLeaseClient(s.Client.Client)
		granted, err := leases.LeaseGrant(s.ctx, &pb.LeaseGrantRequest{ID: 77, TTL: 600})
		if err != nil {
			return nil, err
		}
		_, taken := leases.LeaseGrant(s.ctx, &pb.LeaseGrantRequest{ID: 77, TTL: 600})
		_, long := s.Grant(s.ctx, clientv3.MaxLeaseTTL+1)
		longest, err := s.Grant(s.ctx, clientv3.MaxLeaseTTL)
		if err != nil {
			return nil, err
		}
		for _, id := range []clientv3.LeaseID{77, longest.ID} {
			if _, err := s.Revoke(s.ctx, id); err != nil {
				return nil, err
			}
		}
		return facts{"id": granted.ID, "taken": seenOf(taken), "long": seenOf(long), "longest": longest.TTL}, nil
	}},
}
