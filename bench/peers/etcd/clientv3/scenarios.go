package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/etcd/client/v3/kubernetes"
)

// facts is what a scenario has seen, by name. All of it is the same on each run: revisions are counted from the one at
// which the scenario began, and what a server chooses itself is told by what holds of it.
type facts map[string]any

// store is what a scenario works on: a client, a prefix of its own, and where the store was when it began.
type store struct {
	*kubernetes.Client
	endpoint string
	ctx      context.Context
	prefix   string
	base     int64
}

type scenario struct {
	name string
	run  func(*store) (facts, error)
}

// A scenario that is not over by then has failed.
const scenarioTimeMax = 20 * time.Second

// runScenarios prints {"name":…,"facts":{…}} for each of them. It is an error when one comes to no end that it knows.
func runScenarios(endpoint string, out *json.Encoder) error {
	client, err := kubernetes.New(configOf(endpoint))
	if err != nil {
		return err
	}
	defer client.Close()
	all := [][]scenario{watchScenarios, leaseScenarios, kvScenarios, streamScenarios, contextScenarios,
		loginScenarios, kubernetesScenarios, maintenanceScenarios}
	for _, area := range all {
		for _, s := range area {
			found, err := s.runOn(client, endpoint)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if err := out.Encode(map[string]any{"name": s.name, "facts": found}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scenario) runOn(client *kubernetes.Client, endpoint string) (facts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scenarioTimeMax)
	defer cancel()
	on := &store{Client: client, endpoint: endpoint, ctx: ctx, prefix: s.name + "/"}
	base, err := on.revision()
	if err != nil {
		return nil, err
	}
	on.base = base
	return s.run(on)
}

func (s *store) key(name string) string { return s.prefix + name }

// puts puts the values under one key, one after another.
func (s *store) puts(name string, values ...string) error {
	for _, value := range values {
		if _, err := s.Put(s.ctx, s.key(name), value); err != nil {
			return err
		}
	}
	return nil
}

// revision is the store's, which a read does not change.
func (s *store) revision() (int64, error) {
	answer, err := s.KV.Get(s.ctx, "no such key")
	if err != nil {
		return 0, err
	}
	return answer.Header.Revision, nil
}

// passed is how many revisions the store has come to since the scenario began.
func (s *store) passed() (int64, error) {
	now, err := s.revision()
	return now - s.base, err
}
