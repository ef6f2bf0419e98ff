// Command interop stands in an etcd election as any Go program does: by etcd's own concurrency package.
//
//	interop hold  -endpoint URL -lock NAME [-kind mutex|election] [-ttl SECONDS] [-identity NAME]
//	interop bench -endpoint URL -lock NAME [-rounds N] [-ttl SECONDS]
//
// hold takes the commands acquire, release and close on standard input, one a line, and prints one JSON object a line
// for whatever happens. bench prints one JSON object: durations in milliseconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type options struct {
	endpoint, lock, kind, identity string
	ttlSeconds, rounds             int
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("say hold or bench"))
	}
	chosen := options{}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&chosen.endpoint, "endpoint", "", "etcd's client URL")
	flags.StringVar(&chosen.lock, "lock", "", "lock name, as the sidecar's --lock-name")
	flags.StringVar(&chosen.kind, "kind", "mutex", "mutex or election")
	flags.StringVar(&chosen.identity, "identity", "go", "value of an election's key (a mutex writes none)")
	flags.IntVar(&chosen.ttlSeconds, "ttl", 10, "lease TTL, seconds")
	flags.IntVar(&chosen.rounds, "rounds", 100, "rounds of the bench")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	if chosen.endpoint == "" || chosen.lock == "" {
		fail(fmt.Errorf("-endpoint and -lock are required"))
	}
	run := map[string]func(context.Context, options) error{"hold": hold, "bench": bench}[os.Args[1]]
	if run == nil {
		fail(fmt.Errorf("%q: say hold or bench", os.Args[1]))
	}
	if err := run(context.Background(), chosen); err != nil {
		fail(err)
	}
}

func connect(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
	})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "interop:", err)
	os.Exit(1)
}
