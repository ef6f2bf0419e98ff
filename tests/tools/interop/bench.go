package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// settle is what a waiter gets to set up its watch after its key was seen. It is long because of etcd, which looks every
// 100 ms after watches that begin at a revision already reached, as this package's do.
const settle = 200 * time.Millisecond

type result struct {
	WriteMs  []float64            `json:"write_ms"`
	Handover map[string][]float64 `json:"handover_ms"`
}

// bench measures, by turns, one plain write and one handover between two sessions of this process: from the moment
// before the release is sent to the return of the other's acquire.
func bench(ctx context.Context, chosen options) error {
	writer, err := connect(chosen.endpoint)
	if err != nil {
		return err
	}
	defer func() { _ = writer.Close() }()
	measured := result{Handover: map[string][]float64{}}
	for _, kind := range []string{"mutex", "election"} {
		chosen.kind = kind
		if err := benchKind(ctx, chosen, writer, &measured); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func benchKind(ctx context.Context, chosen options, writer *clientv3.Client, measured *result) error {
	leader, err := newCandidate(chosen)
	if err != nil {
		return err
	}
	defer func() { _ = leader.close() }()
	follower, err := newCandidate(chosen)
	if err != nil {
		return err
	}
	defer func() { _ = follower.close() }()
	if err := leader.acquire(ctx); err != nil {
		return err
	}
	for range chosen.rounds {
		took, err := measureWrite(ctx, writer, chosen.lock)
		if err != nil {
			return err
		}
		measured.WriteMs = append(measured.WriteMs, milliseconds(took))
		took, err = measureHandover(ctx, leader, follower, writer, chosen.lock)
		if err != nil {
			return err
		}
		measured.Handover[chosen.kind] = append(measured.Handover[chosen.kind], milliseconds(took))
		leader, follower = follower, leader
	}
	return nil
}

func measureWrite(ctx context.Context, writer *clientv3.Client, lock string) (time.Duration, error) {
	sent := time.Now()
	_, err := writer.Put(ctx, "bench.write"+lock, "x")
	return time.Since(sent), err
}

func measureHandover(ctx context.Context, leader, follower *candidate, reader *clientv3.Client, lock string) (time.Duration, error) {
	type outcome struct {
		at  time.Time
		err error
	}
	acquired := make(chan outcome, 1)
	go func() {
		err := follower.acquire(ctx)
		acquired <- outcome{time.Now(), err}
	}()
	if err := awaitQueue(ctx, reader, lock, 2); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	sent := time.Now()
	if err := leader.release(ctx); err != nil {
		return 0, err
	}
	won := <-acquired
	return won.at.Sub(sent), won.err
}

func awaitQueue(ctx context.Context, reader *clientv3.Client, lock string, length int64) error {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		answer, err := reader.Get(ctx, lock+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return err
		}
		if answer.Count == length {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s: the queue never held %d candidates", lock, length)
}

func milliseconds(took time.Duration) float64 {
	return float64(took.Microseconds()) / 1000
}
