"""A lead given up on purpose: how long until the next sidecar's ``/leader`` answers 200."""

import http.client
import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.logs import last_stop_of_leading
from tests.bench.numbers import Spread, spread
from tests.bench.watcher import LeadershipWatcher
from tests.bench.writer import Writer
from tests.support.etcd import Cluster
from tests.support.sidecar import SidecarProcess
from tests.support.tools import interop_binary

SETTLE_SECONDS = 0.2
"""What the waiter gets after it was seen in the queue: its watch must stand before the release."""
BLOCKS = 4
"""Sidecars and Go programs are measured by turns in that many blocks, since the machine's pace changes."""

HOW = """\
A write is one put, sent between the rounds: in Python on the sidecar's own gRPC stack, in Go on Go's client.
A handover begins when POST /resign is sent (the release follows it by one HTTP request's way, which counts here) or,
second row, when the leaver's own log says that it stopped leading (whole milliseconds of the wall clock).
It ends when the successor's GET /leader, asked at its event on /leader/watch, has answered 200. Two sidecars, each a
process. Go: two sessions of one process, from before Unlock or Resign to the return of the other's Lock or Campaign."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Milliseconds."""

    write: Spread
    from_post_to_event: Spread
    from_post: Spread
    from_log: Spread
    go_write: Spread
    go: dict[str, Spread]


def measure(etcd: Cluster, folder: Path, rounds: int) -> Handover:
    per_block = max(1, rounds // BLOCKS)
    writes, events, posts, logs = list[float](), list[float](), list[float](), list[float]()
    go_writes, go = list[float](), dict[str, list[float]]()
    url = etcd.only.url
    pair = [
        SidecarProcess(name, etcd_endpoints=url, lock_name="/bench/handover", folder=folder, ttl_seconds=10)
        for name in ("a", "b")
    ]
    leader, follower = pair
    with ExitStack() as started:
        started.enter_context(leader).wait_until_leading()
        started.enter_context(follower)
        writer = started.enter_context(Writer(url))
        for _ in range(BLOCKS):
            for _ in range(per_block):
                _settle(follower)
                writes.append(writer.measure_ms())
                event_ms, post_ms, log_ms = _one(leader, follower)
                events.append(event_ms)
                posts.append(post_ms)
                logs.append(log_ms)
                leader, follower = follower, leader
            measured = _run_go(url, per_block)
            go_writes += measured["write_ms"]
            for kind, values in measured["handover_ms"].items():
                go.setdefault(kind, []).extend(values)
    return Handover(
        spread(writes),
        spread(events),
        spread(posts),
        spread(logs),
        spread(go_writes),
        {kind: spread(values) for kind, values in go.items()},
    )


def _settle(follower: SidecarProcess) -> None:
    follower.wait_for("second", lambda body: body["state"] == "waiting" and body["position"] == 2)
    time.sleep(SETTLE_SECONDS)


def _one(leader: SidecarProcess, follower: SidecarProcess) -> tuple[float, float, float]:
    """Milliseconds to the event and to the 200 from the POST, and to the event from the leaver's log line."""
    watcher = LeadershipWatcher(follower)
    resigning = http.client.HTTPConnection("127.0.0.1", leader.port, timeout=30)
    try:
        watcher.wait_until_following()
        resigning.connect()
        wall_offset = time.time() - time.monotonic()
        sent = time.monotonic()
        resigning.request("POST", "/resign")
        told, answered = watcher.wait_for_200()
        status = resigning.getresponse().status
        if status // 100 != 2:
            raise RuntimeError(f"POST /resign: {status}")
    finally:
        resigning.close()
        watcher.close()
    stopped = last_stop_of_leading(leader) - wall_offset
    return (told - sent) * 1000, (answered - sent) * 1000, (told - stopped) * 1000


def _run_go(url: str, rounds: int) -> dict[str, Any]:
    command = [str(interop_binary()), "bench", f"-endpoint={url}", "-lock=/bench/go", f"-rounds={rounds}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
