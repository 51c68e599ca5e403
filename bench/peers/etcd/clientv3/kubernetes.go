package main

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

var kubernetesScenarios = []scenario{
	{"optimistic puts", func(s *store) (facts, error) {
		k := s.Kubernetes
		create, err := k.OptimisticPut(s.ctx, s.key("a"), []byte("1"), 0, kubernetes.PutOptions{})
		if err != nil {
			return nil, err
		}
		update, err := k.OptimisticPut(s.ctx, s.key("a"), []byte("2"), s.base+1, kubernetes.PutOptions{GetOnFailure: true})
		if err != nil {
			return nil, err
		}
		found := facts{
			"create": []any{create.Succeeded, create.Revision - s.base, s.pair(create.KV)},
			"update": []any{update.Succeeded, update.Revision - s.base, s.pair(update.KV)},
		}
		conflicts := []struct {
			name, key string
			expected  int64
			get       bool
		}{
			{"stale", "a", 1, false}, {"staleWithGet", "a", 1, true}, {"exists", "a", -s.base, true},
			{"notThere", "none", 1, true},
		}
		for _, c := range conflicts {
			answer, err := k.OptimisticPut(s.ctx, s.key(c.key), []byte("no"), s.base+c.expected,
				kubernetes.PutOptions{GetOnFailure: c.get})
			if err != nil {
				return nil, err
			}
			found[c.name] = []any{answer.Succeeded, answer.Revision - s.base, s.pair(answer.KV)}
		}
		_, lease := k.OptimisticPut(s.ctx, s.key("b"), []byte("1"), 0, kubernetes.PutOptions{LeaseID: unknownLease})
		found["lease"] = seenOf(lease)
		return found, nil
	}},
	{"optimistic deletes", func(s *store) (facts, error) {
		if err := s.puts("a", "1", "2"); err != nil {
			return nil, err
		}
		found := facts{}
		deletes := []struct {
			name, key string
			expected  int64
			get       bool
		}{
			{"stale", "a", 1, false}, {"staleWithGet", "a", 1, true}, {"notThere", "none", 1, true},
			{"fresh", "a", 2, true}, {"again", "a", 2, true}, {"nothing", "none", -s.base, false},
		}
		for _, d := range deletes {
			answer, err := s.Kubernetes.OptimisticDelete(s.ctx, s.key(d.key), s.base+d.expected,
				kubernetes.DeleteOptions{GetOnFailure: d.get})
			if err != nil {
				return nil, err
			}
			found[d.name] = []any{answer.Succeeded, answer.Revision - s.base, s.pair(answer.KV)}
		}
		return found, nil
	}},
	{"lists for Kubernetes", func(s *store) (facts, error) {
		for _, name := range []string{"a", "b", "c"} {
			if err := s.puts(name, name+"1", name+"2"); err != nil {
				return nil, err
			}
		}
		first, err := s.Kubernetes.List(s.ctx, s.prefix, kubernetes.ListOptions{Limit: 2})
		if err != nil {
			return nil, err
		}
		rest, err := s.Kubernetes.List(s.ctx, s.prefix,
			kubernetes.ListOptions{Limit: 2, Revision: first.Revision, Continue: s.key("b") + "\x00"})
		if err != nil {
			return nil, err
		}
		before, err := s.Kubernetes.List(s.ctx, s.prefix, kubernetes.ListOptions{Revision: s.base + 3})
		if err != nil {
			return nil, err
		}
		one, err := s.Kubernetes.Get(s.ctx, s.key("a"), kubernetes.GetOptions{Revision: s.base + 1})
		if err != nil {
			return nil, err
		}
		none, err := s.Kubernetes.Get(s.ctx, s.key("none"), kubernetes.GetOptions{})
		if err != nil {
			return nil, err
		}
		count, err := s.Kubernetes.Count(s.ctx, s.prefix, kubernetes.CountOptions{})
		if err != nil {
			return nil, err
		}
		if _, err := s.Compact(s.ctx, s.base+3); err != nil {
			return nil, err
		}
		_, gone := s.Kubernetes.List(s.ctx, s.prefix, kubernetes.ListOptions{Revision: s.base + 2})
		_, getGone := s.Kubernetes.Get(s.ctx, s.key("a"), kubernetes.GetOptions{Revision: s.base + 2})
		_, toCome := s.Kubernetes.List(s.ctx, s.prefix, kubernetes.ListOptions{Revision: s.base + farRevisions})
		return facts{
			"first": []any{s.pairs(first.Kvs), first.Count, first.Revision - s.base},
			"rest":  []any{s.pairs(rest.Kvs), rest.Count, rest.Revision - s.base},
			// The list of a revision is told with the revision of now.
			"before": []any{s.pairs(before.Kvs), before.Count, before.Revision - s.base},
			"one":    []any{s.pair(one.KV), one.Revision - s.base}, "none": []any{s.pair(none.KV), none.Revision - s.base},
			"count": count, "gone": seenOf(gone), "getGone": seenOf(getGone), "toCome": seenOf(toCome),
		}, nil
	}},
}

// pair is a key-value in short, `a=2 @5`; nothing where there is none.
func (s *store) pair(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return ""
	}
	return fmt.Sprintf("%s=%s @%d", kv.Key[len(s.prefix):], kv.Value, kv.ModRevision-s.base)
}

func (s *store) pairs(kvs []*mvccpb.KeyValue) []string {
	texts := []string{}
	for _, kv := range kvs {
		texts = append(texts, s.pair(kv))
	}
	return texts
}
