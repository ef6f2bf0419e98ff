"""Leader file and webhooks of real sidecars on a real etcd: what workloads that only know these are told, and when."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import ExitCode
from tests.integration.test_readme import blocks
from tests.support.children import Deadline
from tests.support.etcd import Cluster, running
from tests.support.group import metric, wait_for_metric
from tests.support.leader_file import FileReader
from tests.support.promise import Excuse, violations
from tests.support.receiver import Receiver
from tests.support.sidecar import SidecarProcess
from tests.support.witness import boottime

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
SHORT_TTL_SECONDS = 4
"""A shorter one may run out on a busy machine."""
LONG = ("--ttl=60", "--max-promise=40", "--drain-timeout=50")
"""Nothing here takes so long by itself: what is over in LESS_SECONDS did not wait for a promise, or for the lease."""
LESS_SECONDS = 25.0


@dataclass(frozen=True)
class Pod:
    """A sidecar, and a workload that reads its file and answers its webhooks."""

    sidecar: SidecarProcess
    workload: Receiver
    file: FileReader
    has_hooks: bool

    def lead(self) -> int:
        """Wait until it leads and both ways say so; its token."""
        token = int(self.sidecar.wait_until_leading()["token"])
        if self.has_hooks:
            self.workload.wait_for("elected", token=token)
        self.file.wait_for("a leader's", lambda body: body["token"] == token)
        return token


class Pods:
    """Starts pods. ``judge``: no two files ever said at the same time that their pods lead, and none was torn."""

    def __init__(self, etcd: Cluster, folder: Path, started: ExitStack) -> None:
        self._etcd, self._folder, self._started = etcd, folder, started
        self._pods: list[Pod] = []
        self._excuses: list[Excuse] = []

    def start(self, name: str, *flags: str, hooks: bool = True) -> Pod:
        (folder := self._folder / name).mkdir()
        workload = self._started.enter_context(Receiver())
        sidecar = SidecarProcess(
            name,
            etcd_endpoints=",".join(self._etcd.endpoints),
            lock_name="/tell",
            folder=self._folder,
            ttl_seconds=SHORT_TTL_SECONDS,
            flags=[f"--leader-file={folder / 'leader'}", *(workload.flags if hooks else ()), *flags],
        )
        reader = self._started.enter_context(FileReader(name, folder / "leader"))
        self._pods.append(Pod(sidecar, workload, reader, hooks))
        self._started.enter_context(sidecar)
        return self._pods[-1]

    def pair(self, *flags: str, hooks: bool = True) -> tuple[Pod, Pod]:
        """One that leads, and one that waits."""
        first = self.start("a", *flags, hooks=hooks)
        first.lead()
        second = self.start("b", *flags, hooks=hooks)
        second.sidecar.wait_until_waiting()
        return first, second

    def finished(self, token: int) -> float:
        """Call just before the workload says, or shows, that it has finished; the time."""
        self._excuses.append(Excuse(token, boottime()))
        return self._excuses[-1].at

    def judge(self) -> None:
        answers = [answer for pod in self._pods for answer in pod.file.answers]
        assert any(answer.leads for answer in answers)
        assert violations(answers, self._excuses) == []
        assert [pod.file.torn for pod in self._pods] == [[] for _ in self._pods]


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Cluster]:
    with running(Cluster(tmp_path / "etcd")) as cluster:
        yield cluster


@pytest.fixture
def pods(etcd: Cluster, tmp_path: Path) -> Iterator[Pods]:
    with ExitStack() as started:
        pods = Pods(etcd, tmp_path, started)
        yield pods
    pods.judge()


# === Handover


def test_a_clean_handover_waits_for_the_answer_of_on_lost_and_then_for_no_promise(pods: Pods) -> None:
    first, second = pods.pair(*LONG)
    token = first.lead()
    first.workload.open.clear()
    told_at = boottime()
    first.sidecar.interrupt()
    lost = first.workload.wait_for("lost", token=token)
    assert (lost.body["state"], lost.body["is_leader"]) == ("draining", False)
    first.file.wait_for("a draining one's", lambda body: body["state"] == "draining" and not body["is_leader"])
    deadline = Deadline(60, poll_seconds=0.05)
    while deadline.goes_on() and boottime() < lost.at + 1:
        assert not second.sidecar.leads(), "the workload has not answered yet"
    answered_at = pods.finished(token)
    first.workload.open.set()
    second_token = second.lead()
    elected = second.workload.wait_for("elected", token=second_token)
    assert elected.at > answered_at
    assert elected.at - told_at < LESS_SECONDS, "a promise was waited for"
    assert first.sidecar.wait(60) == 0
    assert first.file.body()["state"] == "stopped"
    assert first.workload.events() == [("elected", token), ("lost", token)]


def test_with_the_file_alone_the_lock_goes_when_its_last_deadline_has_passed(pods: Pods) -> None:
    first, second = pods.pair(hooks=False)
    assert first.sidecar.terminate() == 0
    second.lead()
    second_began = next(answer for answer in second.file.answers if answer.leads)
    assert second_began.received_at > first.file.last_deadline()
    assert first.file.body()["state"] == "stopped"


def test_a_target_that_is_down_is_told_when_it_comes_and_has_finished_when_it_has_gone(pods: Pods) -> None:
    first, second = pods.pair(*LONG)
    token = first.lead()
    told_at = pods.finished(token)
    first.workload.stop()
    assert first.sidecar.terminate() == 0
    second_token = second.lead()
    assert boottime() - told_at < LESS_SECONDS, "a promise was waited for"
    first.workload.start()
    first.sidecar.start()
    first.workload.wait_for("lost", token=None)
    first.workload.stop()
    pods.finished(second_token)
    second.sidecar.terminate()
    first.sidecar.wait_until_leading()
    wait_for_metric(first.sidecar, 'leader_sidecar_failures_total{kind="on_elected"}', at_least=2)
    first.workload.start()
    assert first.lead() > token


def test_a_webhook_that_hangs_holds_the_lock_up_to_the_drain_timeout_and_no_longer(pods: Pods) -> None:
    first, second = pods.pair("--ttl=60", "--max-promise=2", "--drain-timeout=4")
    first.workload.open.clear()
    told_at = boottime()
    assert first.sidecar.terminate() == 0
    second.lead()
    assert boottime() - told_at < LESS_SECONDS, "the lease was waited for"
    assert "was not answered within" in first.sidecar.output()
    assert "time is up" not in first.sidecar.output(), "the key was released in order"


def test_a_webhook_that_fails_is_asked_again(pods: Pods) -> None:
    first, second = pods.pair(*LONG)
    first.workload.status = 500
    token = first.lead()
    first.sidecar.interrupt()
    lost = first.workload.wait_for("lost", token=token)
    first.workload.wait_for("lost", token=token, since=lost.at + 0.01)
    pods.finished(token)
    first.workload.status = 204
    second.lead()
    assert first.sidecar.wait(60) == 0


# === Death and standstill


def test_a_killed_sidecars_file_runs_out_before_another_leads_and_its_next_run_takes_it_back(pods: Pods) -> None:
    first, second = pods.pair()
    first.sidecar.kill()
    left = first.file.body()
    assert left["is_leader"] is True, "nobody was there to take it back"
    elected = second.workload.wait_for("elected", token=second.lead())
    assert elected.at > left["valid_until_boottime_ns"] / 1e9
    restarted_at = boottime()
    first.sidecar.start()
    first.file.wait_for("taken back", lambda body: not body["is_leader"])
    first.workload.wait_for("lost", token=None, since=restarted_at)


def test_a_sidecar_that_stood_still_takes_its_word_back_though_its_deadline_did_that_before(pods: Pods) -> None:
    first, second = pods.pair()
    token = first.lead()
    first.sidecar.freeze()
    elected = second.workload.wait_for("elected", token=second.lead())
    assert elected.at > first.file.last_deadline()
    thawed_at = boottime()
    first.sidecar.thaw()
    first.workload.wait_for("lost", token=token, since=thawed_at)
    first.file.wait_for("taken back", lambda body: not body["is_leader"])
    first.sidecar.wait_until_waiting()
    assert first.workload.events()[-1] == ("lost", token)


def test_without_etcd_no_deadline_is_later_than_the_validity_and_the_same_lead_is_told_again_after(
    pods: Pods, etcd: Cluster
) -> None:
    pod = pods.start("a")
    token = pod.lead()
    etcd.kill()
    lost = pod.workload.wait_for("lost", token=token)
    assert lost.body["state"] == "unconfirmed"
    assert pod.file.last_deadline() <= lost.at, "it was told at the very end of the validity"
    pod.file.wait_for("taken back", lambda body: not body["is_leader"])
    etcd.start()
    pod.workload.wait_for("elected", token=token, since=lost.at)
    pod.file.wait_for("a leader's", lambda body: body["token"] == token)


# === The docs


def test_the_readers_gate_in_the_docs_is_open_while_its_pod_leads_and_not_on_an_old_body(
    pods: Pods, tmp_path: Path
) -> None:
    """As written but for the path."""
    left = tmp_path / "left"
    leads, leads_by_what_is_left = _gate(tmp_path / "a" / "leader"), _gate(left)
    assert not leads(), "there is no file"
    pod = pods.start("a")
    pod.lead()
    assert leads()
    pod.sidecar.kill()
    deadline = Deadline(60)
    while deadline.goes_on() and leads():
        pass
    assert boottime() >= pod.file.last_deadline()
    an_hour_ahead = (boottime() + 3600) * 1e9
    left.write_text(json.dumps(pod.file.body() | {"valid_until_boottime_ns": int(an_hour_ahead)}))
    assert not leads_by_what_is_left(), "it was written before the machine was started"


def _gate(path: Path) -> Callable[[], bool]:
    (block,) = blocks(DOCS / "hooks.md", "python")
    names: dict[str, Any] = {}
    exec(block.replace("/leader/leader.json", str(path)), names)  # noqa: S102 - our own docs
    gate: Callable[[], bool] = names["leads"]
    return gate


# === Refusals


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("--leader-file=/proc/no-such-folder/leader", ExitCode.NO_INPUT),
        ("--on-lost=http://example.com/", ExitCode.CONFIG),
        ("--on-elected=http://10.0.0.1:8080/", ExitCode.CONFIG),
    ],
)
def test_what_cannot_work_is_refused_at_start(tmp_path: Path, flag: str, code: ExitCode) -> None:
    sidecar = SidecarProcess("a", etcd_endpoints="http://127.0.0.1:1", lock_name="/tell", folder=tmp_path, flags=[flag])
    with sidecar:
        assert sidecar.wait() == code
    setting, _, value = flag.partition("=")
    assert f"{setting}: '{value}': " in sidecar.output()


def test_a_file_that_cannot_be_written_any_more_costs_nobody_the_lead(pods: Pods, tmp_path: Path) -> None:
    pod = pods.start("a")
    token = pod.lead()
    (tmp_path / "a" / ".leader.next").mkdir()
    wait_for_metric(pod.sidecar, 'leader_sidecar_failures_total{kind="leader_file"}', at_least=2)
    assert pod.sidecar.leader()[1]["token"] == token
    assert metric(pod.sidecar, "leader_sidecar_is_leader") == 1
    (tmp_path / "a" / ".leader.next").rmdir()
    pod.file.wait_for("written again", lambda body: body["valid_until_boottime_ns"] > boottime() * 1e9)
