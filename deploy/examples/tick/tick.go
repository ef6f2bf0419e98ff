// Ticks a counter in a store that checks tokens, only while this pod leads: go build tick.go && ./tick. Go 1.22 or newer.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func boottimeNs() int64 { // clock 7, which counts suspend as well; the one within time.Now() does not
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 7, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

func read(answer *http.Response, err error) (status int, body struct { // status 0 when no answer came
	Version    string
	Token      json.Number
	ValidForMs int64 `json:"valid_for_ms"`
}) {
	if err == nil {
		defer answer.Body.Close()
		status, err = answer.StatusCode, json.NewDecoder(answer.Body).Decode(&body)
	}
	return status, body
}

func main() {
	sidecar := cmp.Or(os.Getenv("LEADER_SIDECAR_URL"), "http://localhost:4040")
	store := cmp.Or(os.Getenv("STORE_URL"), "http://localhost:8080")
	quick, slow := http.Client{Timeout: time.Second / 2}, http.Client{Timeout: 35 * time.Second}
	term, work := make(chan os.Signal, 1), sync.Mutex{}
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		work.Lock()                                  // for good: what has begun is finished, and nothing else begins
		read(quick.Post(sidecar+"/resign", "", nil)) // so the next one need not wait
		os.Exit(0)
	}()
	for range time.Tick(200 * time.Millisecond) {
		sent := boottimeNs() // validity counts from here, however late the answer is read
		status, leader := read(quick.Get(sidecar + "/leader"))
		work.Lock() // a pause anywhere from here on is what the token is for
		if left := sent + leader.ValidForMs*1e6 - boottimeNs(); status == 200 && left > int64(quick.Timeout) {
			ticked, _ := read(quick.Post(store+"/tick?token="+leader.Token.String(), "", nil))
			log.Printf("token %s: %d", leader.Token, ticked)
		}
		work.Unlock()
		if status == 503 { // a follower waits here until something changes
			read(slow.Get(sidecar + "/leader?wait=30&since=" + leader.Version))
		}
	}
}
