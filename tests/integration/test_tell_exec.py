"""Leader file and webhooks beside a command of our own: they are told, and the command alone says when it is over."""

from pathlib import Path

import pytest

from tests.support.commanded import Beats, OwnExec
from tests.support.etcd import Cluster, running
from tests.support.leader_file import FileReader
from tests.support.receiver import Receiver
from tests.support.witness import boottime

LESS_SECONDS = 25.0


@pytest.mark.slow
def test_a_hook_that_hangs_does_not_hold_the_lock_when_the_command_is_gone(tmp_path: Path) -> None:
    beats, file = Beats(tmp_path / "beats"), FileReader("a", tmp_path / "leader")
    with running(Cluster(tmp_path / "etcd")) as etcd, Receiver() as hook:

        def candidate(name: str, *flags: str) -> OwnExec:
            endpoints = ",".join(etcd.endpoints)
            long = ("--max-promise=40", "--drain-timeout=50", *flags)
            return OwnExec(
                name, tmp_path, beats.command(), *long, etcd_endpoints=endpoints, lock_name="/tell", ttl_seconds=60
            )

        with candidate("a", f"--leader-file={file.path}", *hook.flags) as first, candidate("b") as second:
            token = beats.wait_for_beats()[-1].token
            hook.wait_for("elected", token=token)
            file.wait_for("a leader's", lambda body: body["token"] == token)
            second.wait_until("waiting")
            hook.open.clear()
            told_at = boottime()
            first.terminate()
            beats.wait_for_starts(2)
            assert boottime() - told_at < LESS_SECONDS
            hook.wait_for("lost", token=token)
            file.wait_for("taken back", lambda body: not body["is_leader"])
    beats.check()
