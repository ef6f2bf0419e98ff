"""A sidecar that dies and comes back within its TTL goes on where it stood, on real etcd; and when it must not."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import Group, Key, sleep_ttls
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

TTL_SECONDS = 10
NAMES = ("a", "b", "c")
PATIENCE_SECONDS = 60


def place_file(folder: Path, sidecar: SidecarProcess) -> Path:
    return folder / sidecar.identity / "place.json"


class Bench(Group):
    """Three with a folder each, in ``folder``."""

    def __init__(self, etcd: Cluster, folder: Path) -> None:
        self.folder = folder
        for name in NAMES:
            (folder / name).mkdir(parents=True)
        super().__init__(
            etcd,
            folder,
            lock="/resume",
            names=NAMES,
            ttl_seconds=TTL_SECONDS,
            own_flags={name: [f"--state-dir={folder / name}"] for name in NAMES},
        )

    def place(self, sidecar: SidecarProcess) -> dict[str, Any] | None:
        """What its next run would find."""
        try:
            found: dict[str, Any] = json.loads(place_file(self.folder, sidecar).read_text())
        except FileNotFoundError:
            return None
        return found

    def wait_for_place(self, sidecar: SidecarProcess) -> Key:
        """Its key in the queue, once its file says so."""
        deadline = Deadline(PATIENCE_SECONDS)
        while deadline.goes_on():
            key = next((key for key in self.queue() if key.value == sidecar.identity), None)
            place = self.place(sidecar)
            if key and place and place["create_revision"] == key.create_revision:
                return key
        raise AssertionError(f"{sidecar.identity}: {self.place(sidecar)} is not of {self.queue()}")

    def led_since(self, since: float) -> set[str]:
        """Who answered that it leads."""
        return {answer.sidecar for answer in self.witness.answers(since=since) if answer.leads}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("resume") / "etcd")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared(etcd: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(etcd, tmp_path_factory.mktemp("sidecars")) as bench:
        yield bench


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    """All three are there at a test's end, and what the witness saw is in order."""
    yield shared
    for sidecar in shared.sidecars:
        if not sidecar.alive:
            sidecar.start()
    shared.settle()
    shared.witness.check()


def test_a_leader_whose_sidecar_is_killed_goes_on_with_its_token_and_nobody_else_leads_meanwhile(bench: Bench) -> None:
    leader = bench.settle()
    token, key = bench.token(leader), bench.wait_for_place(leader)
    for _ in range(3):
        killed_at = boottime()
        leader.kill()
        leader.start()
        assert leader.wait_until_leading()["token"] == token
        assert bench.key_of(leader) == key, "same lease, same place"
        bench.settle()
        assert bench.led_since(killed_at) <= {leader.identity}
        for other in bench.others(leader):
            assert [entry for entry in other.ask("/history")[1]["transitions"] if entry["to"] == "leading"] == []


def test_a_leader_that_resumed_keeps_its_lease_for_longer_than_a_ttl(bench: Bench) -> None:
    leader = bench.settle()
    token = bench.token(leader)
    bench.wait_for_place(leader)
    leader.kill()
    leader.start()
    leader.wait_until_leading()
    sleep_ttls(bench, 1.5)
    assert bench.settle() is leader
    assert bench.token(leader) == token


def test_a_waiter_whose_sidecar_is_killed_keeps_its_place(bench: Bench) -> None:
    leader = bench.settle()
    queue = bench.names_in_queue()
    second = bench[queue[1]]
    key = bench.wait_for_place(second)
    second.kill()
    said = len(second.output())
    second.start()
    wait_for_news(second, '"lease resumed"', said)
    second.wait_until_it_knows(leader.identity)
    assert bench.key_of(second) == key
    assert bench.names_in_queue() == queue


def test_a_resumed_waiter_takes_over_in_its_turn(bench: Bench) -> None:
    leader = bench.settle()
    second = bench[bench.names_in_queue()[1]]
    key = bench.wait_for_place(second)
    second.kill()
    second.start()
    second.wait_until_waiting()
    bench.witness.excuse_resign(bench.token(leader))
    leader.resign()
    assert second.wait_until_leading()["token"] == key.create_revision


def test_who_resigned_has_left_nothing_of_the_old_place(bench: Bench) -> None:
    leader = bench.settle()
    bench.wait_for_place(leader)
    token = bench.token(leader)
    bench.witness.excuse_resign(token)
    leader.resign()
    place = bench.place(leader)
    assert place is None or place["create_revision"] > token
    bench.settle()
    assert bench.wait_for_place(leader).create_revision > token


def test_who_ended_in_order_left_nothing_and_comes_back_at_the_tail(bench: Bench) -> None:
    leader = bench.settle()
    bench.wait_for_place(leader)
    assert leader.terminate() == 0
    assert bench.place(leader) is None
    leader.start()
    bench.settle()
    assert bench.names_in_queue()[-1] == leader.identity


def test_right_after_it_resumed_a_leader_that_is_to_end_outlasts_what_the_run_before_it_promised(bench: Bench) -> None:
    leader = bench.settle()
    bench.wait_for_place(leader)
    asked = leader.leader()[1]
    assert asked["is_leader"]
    leader.kill()
    said = len(leader.output())
    leader.start()
    wait_for_news(leader, '"resuming"', said)
    assert leader.terminate() == 0
    bench.settle(without=[leader])  # the witness holds the answers against the promises made before the kill


def wait_for_file(file: Path) -> None:
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        if file.exists():
            return
    raise AssertionError(f"there is no {file}")


def wait_for_news(sidecar: SidecarProcess, text: str, said: int) -> None:
    """Until its log, less the first ``said`` characters, has this."""
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        if text in sidecar.output()[said:]:
            return
    raise AssertionError(f"{sidecar.identity} does not say {text!r}:\n{sidecar.output()[said:]}")


def refused(bench: Bench, sidecar: SidecarProcess, why: str) -> None:
    """Start it again: it says why it does not resume, and stands at the tail by a fresh lease."""
    said = len(sidecar.output())
    sidecar.start()
    wait_for_news(sidecar, why, said)
    bench.settle()
    new = sidecar.output()[said:]
    assert "not resuming, but standing in line anew" in new
    assert why in new
    assert '"lease granted"' in new
    assert '"lease resumed"' not in new
    assert bench.names_in_queue()[-1] == sidecar.identity


def test_a_lease_that_has_ended_is_not_resumed(bench: Bench) -> None:
    leader = bench.settle()
    bench.wait_for_place(leader)
    leader.kill()
    bench.settle(without=[leader])  # its lease has ended: somebody else leads
    refused(bench, leader, "the lease has ended")


def test_a_key_that_is_gone_is_not_resumed(bench: Bench) -> None:
    leader = bench.settle()
    key = bench.wait_for_place(leader)
    leader.kill()
    bench.witness.excuse_meddling(key.create_revision)
    bench.cluster.ctl("del", key.name)
    refused(bench, leader, "the key is gone")


def test_a_key_that_was_made_anew_is_not_resumed(bench: Bench) -> None:
    leader = bench.settle()
    key = bench.wait_for_place(leader)
    leader.kill()
    bench.witness.excuse_meddling(key.create_revision)
    bench.cluster.ctl("del", key.name)
    bench.cluster.ctl("put", key.name, key.value, f"--lease={key.lease_id:x}")
    refused(bench, leader, "the key was made anew")


def rewritten(**fields: object) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | fields)


SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "another pod's": (rewritten(pod_uid="another"), "the pod's uid was 'another'"),
    "another lock's": (rewritten(lock="/another"), "the lock was '/another'"),
    "another identity's": (rewritten(identity="z"), "the identity was 'z'"),
    "another TTL's": (rewritten(ttl_seconds=60), "--ttl was 60"),
    "another boot's": (rewritten(boot="another"), "the machine's boot was 'another'"),
    "another cluster's": (rewritten(cluster="abc"), "and it was abc"),
    "another version's": (rewritten(version=99), "the file is damaged"),
    "cut off": (lambda text: text[: len(text) // 2], "the file is damaged"),
    "no text": (lambda _text: "\x00" * 100, "the file is damaged"),
}


IN_SHORT = ("another pod's", "cut off")
"""The others stand in tests/unit as well, one by one."""


@pytest.mark.parametrize(
    ("spoil", "why"),
    [pytest.param(*case, id=name, marks=() if name in IN_SHORT else pytest.mark.slow) for name, case in SPOILT.items()],
)
def test_what_is_not_this_sidecars_or_not_whole_is_not_resumed(
    bench: Bench, spoil: Callable[[str], str], why: str
) -> None:
    bench.settle()
    last = bench[bench.names_in_queue()[-1]]
    bench.wait_for_place(last)
    last.kill()
    file = place_file(bench.folder, last)
    file.write_text(spoil(file.read_text()))
    refused(bench, last, why)


def test_an_etcd_that_was_replaced_is_another_cluster(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with running(Cluster(tmp_path / "etcd")) as etcd:
        sidecar = SidecarProcess(
            "a",
            etcd_endpoints=",".join(etcd.endpoints),
            lock_name="/replaced",
            folder=tmp_path,
            ttl_seconds=TTL_SECONDS,
            flags=[f"--state-dir={tmp_path / 'state'}"],
        )
        with sidecar:
            sidecar.wait_until_leading()
            wait_for_file(tmp_path / "state" / "place.json")
            sidecar.kill()
            etcd.replace()
            sidecar.start()
            wait_for_news(sidecar, "not resuming, but standing in line anew: this is etcd cluster", 0)
            sidecar.wait_until_leading()


def test_a_second_process_on_the_same_folder_ends_with_a_clear_error(bench: Bench, tmp_path: Path) -> None:
    leader = bench.settle()
    second = SidecarProcess(
        leader.identity,
        etcd_endpoints=",".join(bench.cluster.endpoints),
        lock_name=bench.lock,
        folder=tmp_path,
        ttl_seconds=TTL_SECONDS,
        flags=[f"--state-dir={bench.folder / leader.identity}"],
    )
    with second:
        assert second.wait() == 78
        assert "--state-dir" in second.output()
        assert "another process uses it: end that one" in second.output()
    assert bench.settle() is leader


def test_a_folder_that_is_not_there_is_an_error_that_says_what_to_do(bench: Bench, tmp_path: Path) -> None:
    second = SidecarProcess(
        "d",
        etcd_endpoints=",".join(bench.cluster.endpoints),
        lock_name=bench.lock,
        folder=tmp_path,
        flags=[f"--state-dir={tmp_path / 'missing'}"],
    )
    with second:
        assert second.wait() == 66
        assert "mount a volume there" in second.output()


def test_exec_takes_no_folder_for_its_command_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sidecar", "exec", "--election=e", "--etcd-endpoints=http://127.0.0.1:1"]
    done = subprocess.run(
        [*command, "--no-labels", f"--state-dir={tmp_path}", "--", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert "--state-dir" in done.stderr
