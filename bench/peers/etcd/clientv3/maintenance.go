package main

import (
	clientv3 "go.etcd.io/etcd/client/v3"
)

var maintenanceScenarios = []scenario{
	{"the state of the one member", func(s *store) (facts, error) {
		state, err := s.Status(s.ctx, s.endpoint)
		if err != nil {
			return nil, err
		}
		members, err := s.MemberList(s.ctx)
		if err != nil {
			return nil, err
		}
		serializable, err := s.MemberList(s.ctx, clientv3.WithSerializable())
		if err != nil {
			return nil, err
		}
		if err := s.Sync(s.ctx); err != nil {
			return nil, err
		}
		endpoints := s.Endpoints()
		only := members.Members[0]
		// What comes after goes to the endpoints that the member has named.
		return facts{
			"version": state.Version, "leads": state.Leader == state.Header.MemberId, "errors": len(state.Errors),
			"learner": state.IsLearner, "sizes": 0 < state.DbSizeInUse && state.DbSizeInUse <= state.DbSize,
			"applied": 0 < state.RaftAppliedIndex && state.RaftAppliedIndex <= state.RaftIndex,
			"members": len(members.Members), "serializable": len(serializable.Members),
			"same": only.ID == state.Header.MemberId, "name": only.Name, "isLearner": only.IsLearner,
			"synced": len(endpoints) == 1 && endpoints[0] == s.endpoint && only.ClientURLs[0] == s.endpoint,
		}, s.puts("a", "1")
	}},
	{"the hash of the keyspace", func(s *store) (facts, error) {
		if err := s.puts("a", "1", "2"); err != nil {
			return nil, err
		}
		first, err := s.HashKV(s.ctx, s.endpoint, 0)
		if err != nil {
			return nil, err
		}
		if err := s.puts("a", "3"); err != nil {
			return nil, err
		}
		changed, err := s.HashKV(s.ctx, s.endpoint, 0)
		if err != nil {
			return nil, err
		}
		before, err := s.HashKV(s.ctx, s.endpoint, s.base+2)
		if err != nil {
			return nil, err
		}
		_, toCome := s.HashKV(s.ctx, s.endpoint, s.base+farRevisions)
		if _, err := s.Compact(s.ctx, s.base+2); err != nil {
			return nil, err
		}
		compacted, err := s.HashKV(s.ctx, s.endpoint, 0)
		if err != nil {
			return nil, err
		}
		_, gone := s.HashKV(s.ctx, s.endpoint, s.base+1)
		return facts{
			"at": []int64{first.HashRevision - s.base, changed.HashRevision - s.base, before.HashRevision - s.base},
			// A hash tells changes apart, and one revision's is the same later on.
			"changes": first.Hash != changed.Hash, "repeats": first.Hash == before.Hash,
			"compactRevision": compacted.CompactRevision - s.base, "toCome": seenOf(toCome), "gone": seenOf(gone),
		}, nil
	}},
	{"alarms and defragmentation", func(s *store) (facts, error) {
		alarms, err := s.AlarmList(s.ctx)
		if err != nil {
			return nil, err
		}
		disarmed, err := s.AlarmDisarm(s.ctx, &clientv3.AlarmMember{})
		if err != nil {
			return nil, err
		}
		_, defragment := s.Defragment(s.ctx, s.endpoint)
		passed, err := s.passed()
		if err != nil {
			return nil, err
		}
		return facts{
			"alarms": len(alarms.Alarms), "disarmed": len(disarmed.Alarms), "defragment": seenOf(defragment),
			"passed": passed,
		}, nil
	}},
}
