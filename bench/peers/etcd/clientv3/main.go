// clientv3 is etcd's own Go client, with two modes:
//
//	clientv3 calls ENDPOINT        makes the calls that come on stdin, and prints how each one ended
//	clientv3 scenarios ENDPOINT    runs the scenarios on an empty store, and prints what an application sees of each one
//
// Both print one JSON value a line. It judges nothing: what is right is up to who reads it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func main() {
	modes := map[string]func(endpoint string, out *json.Encoder) error{"calls": makeCalls, "scenarios": runScenarios}
	if len(os.Args) != 3 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: clientv3 calls|scenarios ENDPOINT")
		os.Exit(2)
	}
	if err := modes[os.Args[1]](os.Args[2], json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// configOf is an application's configuration, but for the log: the client logs each refusal as a warning.
func configOf(endpoint string) clientv3.Config {
	return clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()}
}

// seen is an error as an application sees it. The client gives its own type, EtcdError, to what etcd's servers say in
// words that it knows; applications compare with the values of that type and take anything else for a failure.
type seen struct {
	EtcdError bool       `json:"etcdError"`
	Code      codes.Code `json:"code"`
	Text      string     `json:"text"`
}

func seenOf(err error) *seen {
	if err == nil {
		return nil
	}
	err = rpctypes.Error(err)
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return &seen{EtcdError: true, Code: known.Code(), Text: known.Error()}
	}
	return &seen{Code: status.Code(err), Text: err.Error()}
}
