"""``exec`` as a client of the sidecar in the same pod: for the workload's container, with nothing but Python in it."""

import contextlib
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sidecar.errors import ExitCode
from sidecar.workload.exec.ask import NoAnswer, Sidecar
from sidecar.workload.exec.course import PASSED_ON, Course
from sidecar.workload.exec.deadlines import NS, ask_again_after_ns, now_ns
from sidecar.workload.exec.events import Event, Lead, Resigned, Seen, Tick, Told
from sidecar.workload.exec.guard import Guard, GuardLost, post_guard
from sidecar.workload.exec.note import deadline_file
from sidecar.workload.exec.supervisor import Supervisor, reap
from sidecar.workload.exec.wish import OnExit

FOLLOWER_WAITS_SECONDS = 30.0
"""How long a follower's question is held back when nothing changes; the sidecar holds it for a minute at most."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 1.0


def run_client(
    command: Sequence[str], *, address: str, on_exit: OnExit, suspends: bool, deadline_path: Path | None
) -> int:
    """Run the command whenever this pod leads; the exit code. Raises ``SettingError``."""
    asking, resigning = Sidecar(address), Sidecar(address)
    with deadline_file(deadline_path) as note:
        guard = post_guard(command, suspends=suspends, tidy=note.remove)
        inbox: queue.SimpleQueue[Event | GuardLost] = queue.SimpleQueue()
        codes: list[int] = []
        supervisor = Supervisor(
            Course(on_exit, suspends),
            guard,
            note,
            give_up=lambda: inbox.put(Resigned(_resign(resigning))),
            leave=codes.append,
            say=say,
        )
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: inbox.put(Told(number)))
        signal.signal(signal.SIGCHLD, lambda *_: reap())
        _in_background(_report_guard, guard, inbox)
        _in_background(_follow, asking, inbox)
        while not codes:
            try:
                supervisor.feed(_next(inbox, supervisor.course.due_ns))
            except GuardLost as lost:
                say(str(lost))
                supervisor.abandon()
                _resign(resigning)
                return ExitCode.SOFTWARE
        return codes[0]


def lead_of(body: dict[str, Any]) -> Lead | None:
    """The lead that an answer of ``/leader`` hands out, None where it hands out none."""
    if not body["is_leader"] or body.get("token") is None or body.get("valid_until_boottime_ns") is None:
        return None
    return Lead(str(body["election"]), int(body["token"]), int(body["valid_until_boottime_ns"]))


def _next(inbox: "queue.SimpleQueue[Event | GuardLost]", due_ns: int | None) -> Event:
    timeout = None if due_ns is None else max(0.0, (due_ns - now_ns()) / NS)
    try:
        event = inbox.get(timeout=timeout)
    except queue.Empty:
        return Tick()
    if isinstance(event, GuardLost):
        raise event
    return event


def _in_background(work: Any, *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _report_guard(guard: Guard, inbox: "queue.SimpleQueue[Event | GuardLost]") -> None:
    _leave_signals_to_the_main_thread()
    try:
        while True:
            inbox.put(guard.hear())
    except GuardLost as lost:
        inbox.put(lost)


def _follow(sidecar: Sidecar, inbox: "queue.SimpleQueue[Event | GuardLost]") -> NoReturn:
    """Tell of each answer. Of none there is nothing to tell: the last deadline stands, and the guard keeps it."""
    _leave_signals_to_the_main_thread()
    version, wait_seconds, failures, complaint = None, 0.0, 0, ""
    while True:
        try:
            body = sidecar.ask(version, wait_seconds)
        except NoAnswer as error:
            if failures and str(error) != complaint:  # the first one may be a connection that was idle for too long
                complaint = str(error)
                say(complaint)
            version, failures = None, failures + 1
            time.sleep(min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 8)))
            continue
        lead = lead_of(body)
        inbox.put(Seen(lead, draining=body.get("state") == "draining"))
        version, failures, complaint = str(body["version"]), 0, ""
        wait_seconds = FOLLOWER_WAITS_SECONDS if lead is None else ask_again_after_ns(lead.until_ns - now_ns()) / NS


def _leave_signals_to_the_main_thread() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})


def _resign(sidecar: Sidecar) -> bool:
    """Whether the lead has gone."""
    try:
        sidecar.resign()
    except NoAnswer as error:
        say(str(error))
        return False
    finally:
        sidecar.close()
    return True


def say(line: str) -> None:
    with contextlib.suppress(OSError):  # whoever read it may be gone
        sys.stderr.write(f"leader-sidecar: exec: {line}\n")
        sys.stderr.flush()
