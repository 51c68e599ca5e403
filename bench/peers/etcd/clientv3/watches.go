package main

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var watchScenarios = []scenario{
	{"a watch from a compacted revision", func(s *store) (facts, error) {
		if err := s.puts("a", "1", "2", "3"); err != nil {
			return nil, err
		}
		if _, err := s.Compact(s.ctx, s.base+3); err != nil {
			return nil, err
		}
		return s.watched(s.key("a"), clientv3.WithRev(s.base+1))
	}},
	{"a watch from a negative revision", func(s *store) (facts, error) {
		return s.watched(s.key("a"), clientv3.WithRev(-1))
	}},
	{"a watch of an empty range", func(s *store) (facts, error) {
		return s.watched(s.key("b"), clientv3.WithRange(s.key("a")))
	}},
	{"a watch that tells of history, of news and of progress, and is left", func(s *store) (facts, error) {
		if err := s.puts("a", "1"); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		watch := s.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(s.base+1), clientv3.WithPrevKV(),
			clientv3.WithCreatedNotify())
		created, history := <-watch, <-watch
		if err := s.puts("a", "2"); err != nil {
			return nil, err
		}
		news := <-watch
		if _, err := s.Delete(s.ctx, s.key("a")); err != nil {
			return nil, err
		}
		end := <-watch
		// A request that finds the watch behind is dropped by the server. After the events it is not.
		if err := s.RequestProgress(ctx); err != nil {
			return nil, err
		}
		progress := <-watch
		cancel()
		left, more := <-watch
		return facts{
			"created":  created.Created,
			"history":  s.events(history),
			"news":     s.events(news),
			"end":      s.events(end),
			"progress": []any{progress.IsProgressNotify(), progress.Header.Revision - s.base},
			"left":     []any{more, seenOf(left.Err())},
		}, nil
	}},
	{"a watch that waits for a revision to come", func(s *store) (facts, error) {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		watch := s.Watch(ctx, s.key("a"), clientv3.WithRev(s.base+3), clientv3.WithCreatedNotify())
		<-watch
		if err := s.puts("a", "1", "2", "3", "4"); err != nil {
			return nil, err
		}
		return facts{"first": s.events(<-watch), "second": s.events(<-watch)}, nil
	}},
}

// watched says how a watch begins and whether anything comes after that.
func (s *store) watched(key string, options ...clientv3.OpOption) (facts, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	watch := s.Watch(ctx, key, options...)
	first, is := <-watch
	if !is {
		return facts{"closed": true}, s.ctx.Err()
	}
	_, more := <-watch
	// That of a refusal without one is 0, whatever the store's revision is.
	compact := first.CompactRevision
	if compact != 0 {
		compact -= s.base
	}
	return facts{
		"canceled":        first.Canceled,
		"cancelReason":    first.CancelReason,
		"compactRevision": compact,
		"err":             seenOf(first.Err()),
		"events":          len(first.Events),
		"more":            more,
	}, s.ctx.Err()
}

// events are short: `PUT a=2 @3 before 1`.
func (s *store) events(response clientv3.WatchResponse) []string {
	texts := []string{}
	for _, event := range response.Events {
		name, before := string(event.Kv.Key)[len(s.prefix):], ""
		if event.PrevKv != nil {
			before = fmt.Sprintf(" before %s", event.PrevKv.Value)
		}
		texts = append(texts, fmt.Sprintf("%v %s=%s @%d%s", event.Type, name, event.Kv.Value,
			event.Kv.ModRevision-s.base, before))
	}
	return texts
}
