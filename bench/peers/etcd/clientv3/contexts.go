package main

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var contextScenarios = []scenario{
	{"calls that their caller ends", func(s *store) (facts, error) {
		late, cancelLate := context.WithTimeout(s.ctx, time.Nanosecond)
		defer cancelLate()
		_, deadline := s.Put(late, s.key("a"), "1")
		left, cancelLeft := context.WithCancel(s.ctx)
		cancelLeft()
		_, canceled := s.Put(left, s.key("a"), "1")
		_, more := <-s.Watch(left, s.key("a"))
		_, kept := s.KeepAliveOnce(left, unknownLease)
		passed, err := s.passed()
		if err != nil {
			return nil, err
		}
		return facts{
			"deadline": seenOf(deadline), "isDeadline": errors.Is(deadline, context.DeadlineExceeded),
			"canceled": seenOf(canceled), "isCanceled": errors.Is(canceled, context.Canceled),
			"watch": more, "keepAlive": seenOf(kept), "passed": passed,
		}, nil
	}},
}

var loginScenarios = []scenario{
	{"a client with a name and a password, where nobody asks for them", func(s *store) (facts, error) {
		config := configOf(s.endpoint)
		config.Username, config.Password, config.RejectOldCluster = "root", "secret", true
		return s.used(config)
	}},
	{"a client with a token, where nobody asks for it", func(s *store) (facts, error) {
		config := configOf(s.endpoint)
		config.Token = "of nobody"
		return s.used(config)
	}},
	{"logging in where nobody has to", func(s *store) (facts, error) {
		_, login := s.Authenticate(s.ctx, "root", "secret")
		state, err := s.AuthStatus(s.ctx)
		if err != nil {
			return nil, err
		}
		return facts{"login": seenOf(login), "enabled": state.Enabled, "authRevision": state.AuthRevision}, nil
	}},
}

// used says how a client with that configuration fares: with a unary call, a watch and a lease.
func (s *store) used(config clientv3.Config) (facts, error) {
	client, err := clientv3.New(config)
	if err != nil {
		return facts{"new": seenOf(err)}, nil
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(s.ctx))
	defer cancel()
	watch := client.Watch(ctx, s.key("a"), clientv3.WithCreatedNotify())
	created := <-watch
	_, put := client.Put(s.ctx, s.key("a"), "1")
	_, kept := client.KeepAliveOnce(s.ctx, unknownLease)
	return facts{
		"put": seenOf(put), "created": created.Created, "events": s.events(<-watch), "keepAlive": seenOf(kept),
	}, s.ctx.Err()
}
