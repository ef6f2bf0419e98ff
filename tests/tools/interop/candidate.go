package main

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// candidate is one place in a queue, with a session and a connection of its own.
type candidate struct {
	client  *clientv3.Client
	session *concurrency.Session
	acquire func(context.Context) error
	release func(context.Context) error
	place   func() (key string, revision int64)
}

func newCandidate(chosen options) (*candidate, error) {
	client, err := connect(chosen.endpoint)
	if err != nil {
		return nil, err
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(chosen.ttlSeconds))
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	made := &candidate{client: client, session: session}
	switch chosen.kind {
	case "mutex":
		mutex := concurrency.NewMutex(session, chosen.lock)
		made.acquire, made.release = mutex.Lock, mutex.Unlock
		made.place = func() (string, int64) { return mutex.Key(), 0 } // a mutex does not say its revision
	case "election":
		election := concurrency.NewElection(session, chosen.lock)
		made.acquire = func(ctx context.Context) error { return election.Campaign(ctx, chosen.identity) }
		made.release = election.Resign
		made.place = func() (string, int64) { return election.Key(), election.Rev() }
	default:
		return nil, fmt.Errorf("-kind %q: say mutex or election", chosen.kind)
	}
	return made, nil
}

// close revokes the lease and with it the key.
func (c *candidate) close() error {
	err := c.session.Close()
	_ = c.client.Close()
	return err
}
