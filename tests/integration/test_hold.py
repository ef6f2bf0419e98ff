"""A lead tied to a connection, on real etcd: sidecars and workloads are processes, a witness asks all the time."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.children import Child, Deadline
from tests.support.commanded import Beats, OwnExec
from tests.support.etcd import Cluster, running
from tests.support.group import Group, sleep_ttls
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

TTL_SECONDS = 3
PROMISE_SECONDS = 1.5
LONGER_THAN_A_PROMISE = 2.5
HOLDER = Path(__file__).parents[1] / "support" / "holder.py"


class Holder(Child):
    """A workload of that sidecar, for as long as its lead lasts."""

    def __init__(
        self,
        sidecar: SidecarProcess | OwnExec,
        folder: Path,
        *,
        name: str = "h",
        keeps_seconds: float = 0.0,
        waits: bool = False,
    ) -> None:
        """``waits`` for the lead before."""
        log = folder / f"{name}-{boottime()}.txt"
        arguments = [str(sidecar.port), str(keeps_seconds), *(["waits"] if waits else [])]
        super().__init__(name, [sys.executable, "-I", "-S", HOLDER, *arguments], log)

    def wait_for(self, what: str) -> float:
        """When it noted that."""
        deadline = Deadline(60)
        while deadline.goes_on():
            for at, _, noted in (line.partition(" ") for line in self.output().splitlines()):
                if noted == what:
                    return float(at)
        raise AssertionError(f"{self.name} notes no {what!r}: {self.output()}")


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Three that outlive each test's fault; the queue rotates."""
    folder = tmp_path_factory.mktemp("hold")
    with (
        running(Cluster(folder)) as etcd,
        Group(
            etcd,
            folder,
            lock="/hold",
            names=("a", "b", "c"),
            ttl_seconds=TTL_SECONDS,
            flags=[f"--max-promise={PROMISE_SECONDS}"],
        ) as group,
    ):
        yield group


@pytest.fixture(autouse=True)
def judge(group: Group) -> Iterator[None]:
    yield
    group.witness.check()


def last_reason(sidecar: SidecarProcess) -> str:
    """Why its last lead ended."""
    _, history = sidecar.ask("/history")
    return str(next(each["reason"] for each in history["transitions"] if each["from"] in ("leading", "unconfirmed")))


def test_a_workload_that_dies_ends_the_lead_at_once_and_its_pod_rejoins_at_the_tail(
    group: Group, tmp_path: Path
) -> None:
    leader = group.settle()
    queue = group.names_in_queue()
    with Holder(leader, tmp_path) as workload:
        workload.wait_for("held")
        group.witness.excuse_resign(group.token(leader))
        killed_at = boottime()
        workload.kill()
        successor = group.wait_for_first_answer_of_a_leader(killed_at, other_than=leader)
    assert successor.sidecar == queue[1]
    assert successor.received_at - killed_at < PROMISE_SECONDS, "nothing is waited for"
    group.settle()
    assert group.names_in_queue() == [*queue[1:], queue[0]]
    assert last_reason(leader) == "hold_closed"


def test_one_of_two_holds_closed_ends_the_lead_and_the_other_is_told_and_waited_for(
    group: Group, tmp_path: Path
) -> None:
    leader = group.settle()
    with (
        Holder(leader, tmp_path, name="dies") as dies,
        Holder(leader, tmp_path, name="ends", keeps_seconds=LONGER_THAN_A_PROMISE) as ends,
    ):
        dies.wait_for("held")
        ends.wait_for("held")
        killed_at = boottime()
        dies.kill()
        successor = group.wait_for_first_answer_of_a_leader(killed_at, other_than=leader)
        told_at, closed_at = ends.wait_for("told"), ends.wait_for("closes")
    assert told_at < closed_at < successor.received_at
    assert last_reason(leader) == "hold_closed"


@pytest.mark.parametrize("how", ["resign", "transfer"])
def test_a_lead_given_up_on_purpose_is_told_and_goes_when_the_hold_closes(
    how: str, group: Group, tmp_path: Path
) -> None:
    leader = group.settle()
    heir = group[group.names_in_queue()[2 if how == "transfer" else 1]]
    with Holder(leader, tmp_path, keeps_seconds=LONGER_THAN_A_PROMISE) as workload:
        workload.wait_for("held")
        asked_at = boottime()
        answer = leader.resign(drain=True) if how == "resign" else leader.transfer(heir.identity)
        assert answer[0] == 204
        closed_at = workload.wait_for("closes")
    assert boottime() - closed_at < PROMISE_SECONDS, "nothing but the closing is waited for"
    successor = group.wait_for_first_answer_of_a_leader(asked_at, other_than=leader)
    assert successor.sidecar == heir.identity
    assert successor.received_at > closed_at


def test_a_sidecar_told_to_stop_waits_for_the_hold_before_its_lock_goes(group: Group, tmp_path: Path) -> None:
    leader = group.settle()
    with Holder(leader, tmp_path, keeps_seconds=LONGER_THAN_A_PROMISE) as workload:
        workload.wait_for("held")
        stopped_at = boottime()
        assert leader.terminate() == 0
        closed_at = workload.wait_for("closes")
        successor = group.wait_for_first_answer_of_a_leader(stopped_at, other_than=leader)
    assert successor.received_at > closed_at
    leader.start()
    group.settle()


def test_a_workload_that_dies_beside_a_frozen_sidecar_costs_the_next_leader_nothing(
    group: Group, tmp_path: Path
) -> None:
    leader = group.settle()
    with Holder(leader, tmp_path) as workload:
        workload.wait_for("held")
        leader.freeze()
        workload.kill()
        sleep_ttls(group, 2)
        successor = group.settle(without=[leader])
        token = group.token(successor)
        leader.thaw()
        assert group.settle() is successor
        assert group.token(successor) == token


def test_a_lead_lost_ends_the_hold_and_closing_it_then_means_nothing(group: Group, tmp_path: Path) -> None:
    leader = group.settle()
    with Holder(leader, tmp_path, keeps_seconds=float("inf")) as workload:
        workload.wait_for("held")
        leader.freeze()
        sleep_ttls(group, 2)
        successor = group.settle(without=[leader])
        leader.thaw()
        workload.wait_for("ended")
        assert group.settle() is successor
    assert last_reason(leader) != "hold_closed"


def test_a_native_sidecar_is_stopped_after_its_workload_and_waits_for_no_hold(group: Group, tmp_path: Path) -> None:
    native = SidecarProcess(
        "n",
        etcd_endpoints=group.cluster.only.url,
        lock_name="/hold/native",
        folder=tmp_path,
        ttl_seconds=TTL_SECONDS,
        flags=["--native"],
    )
    with native, Holder(native, tmp_path, keeps_seconds=float("inf"), waits=True) as workload:
        workload.wait_for("held")
        told_at = boottime()
        assert native.terminate() == 0
        assert boottime() - told_at < TTL_SECONDS
        assert "/hold/native/" not in group.cluster.ctl("get", "/hold/native/", "--prefix", "--keys-only")


def test_beside_the_command_of_exec_a_hold_that_closes_waits_for_the_commands_end(group: Group, tmp_path: Path) -> None:
    beats = Beats(tmp_path / "beats")
    url, lock = group.cluster.only.url, "/hold/exec"
    with OwnExec("x", tmp_path, beats.command("stubborn"), etcd_endpoints=url, lock_name=lock) as first:
        beats.wait_for_starts(1)
        with (
            OwnExec("y", tmp_path, beats.command(), etcd_endpoints=url, lock_name=lock) as second,
            Holder(first, tmp_path) as workload,
        ):
            second.wait_until("waiting")
            workload.wait_for("held")
            workload.kill()
            beats.wait_for_starts(2)
            beats.check()


def test_a_waiter_cannot_be_held(group: Group) -> None:
    waiter = group.others(group.settle())[0]
    assert waiter.ask("/leader/hold")[0] == 409
