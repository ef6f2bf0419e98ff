package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// event is one line of hold's output. BoottimeNs compares with the sidecar's own times on the same machine.
type event struct {
	Event      string `json:"event"`
	BoottimeNs int64  `json:"boottime_ns"`
	Lease      string `json:"lease,omitempty"`
	Key        string `json:"key,omitempty"`
	Revision   int64  `json:"revision,omitempty"`
	Message    string `json:"message,omitempty"`
}

var printing sync.Mutex

func say(what event) {
	what.BoottimeNs = boottime()
	printing.Lock()
	defer printing.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(what)
}

func boottime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		fail(err)
	}
	return now.Nano()
}

// hold obeys standard input until it is closed. acquire waits in a goroutine, so that other commands still get through.
func hold(ctx context.Context, chosen options) error {
	mine, err := newCandidate(chosen)
	if err != nil {
		return err
	}
	say(event{Event: "session", Lease: fmt.Sprintf("%x", mine.session.Lease())})
	go func() {
		<-mine.session.Done()
		say(event{Event: "session_ended"})
	}()
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch command := commands.Text(); command {
		case "acquire":
			go acquire(ctx, mine)
		case "release":
			say(event{Event: "releasing"})
			report("released", mine.release(ctx))
		case "close":
			return mine.close()
		default:
			return fmt.Errorf("%q: say acquire, release or close", command)
		}
	}
	return mine.close()
}

func acquire(ctx context.Context, mine *candidate) {
	if err := mine.acquire(ctx); err != nil {
		report("acquired", err)
		return
	}
	key, revision := mine.place()
	say(event{Event: "acquired", Key: key, Revision: revision})
}

func report(done string, err error) {
	if err != nil {
		say(event{Event: "error", Message: err.Error()})
		return
	}
	say(event{Event: done})
}
