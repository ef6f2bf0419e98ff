"""The follower of a rollout: when it asks Kubernetes, to whom it hands over, and what it makes of failures."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable

import pytest

from sidecar.election.member import Member, read_member, write_member
from sidecar.election.queue import Header, LockKey, key_name
from sidecar.election.rollout import PodFacts
from sidecar.errors import CannotTransfer, EtcdUnavailable, KubeError, KubeForbidden, KubeUnavailable, PodGone
from sidecar.etcd.port import Muster
from sidecar.kube.revisions import Owned
from sidecar.rollout.follower import LOOK_SECONDS, REFUSED_SECONDS, ROLLING_SECONDS, Follower
from tests.support.pods import LoopClock

pytestmark = pytest.mark.looptime

LOCK = "/l"


class FakeElection:
    """A queue in which this pod is the first; it leads for as long as it has a token."""

    lock = LOCK

    def __init__(self) -> None:
        self.token: int | None = None
        self.members: list[Member | None] = [Member("pod-1", "pod-1", "uid-1", "old")]
        self.transferred: list[str] = []
        self.musters = 0
        self.fails: Exception | None = None
        self._changed = asyncio.Event()

    def leading(self) -> int | None:
        return self.token

    def lead(self, token: int | None) -> None:
        self.token = token
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    async def muster(self) -> Muster:
        self.musters += 1
        if self.fails is not None:
            raise self.fails
        places = list(enumerate(self.members, start=1))
        keys = tuple(LockKey(key_name(LOCK, place), 100 + place, 100 + place, place, "") for place, _ in places)
        known = {f"{place:x}": write_member(member) for place, member in places if member is not None}
        return Muster(Header(1, 1, 500, 1), keys, known)

    async def transfer(self, to: str) -> None:
        self.transferred.append(to)
        self.lead(None)


class FakeRevisions:
    """What Kubernetes has; ``asked`` is what was read of it."""

    def __init__(self) -> None:
        self.owner = Owned("old", "ReplicaSet", "web-old", "o")
        self.want: str | None = "old"
        self.pods = {f"pod-{place}": PodFacts(f"uid-{place}", False, True, f"node-{place}") for place in range(1, 5)}
        self.nodes: dict[str, bool] | None = None
        self.asked: list[str] = []
        self.fails: KubeError | None = None

    async def owned(self, pod: str) -> Owned:
        self._ask(f"owner of {pod}")
        return self.owner

    async def wanted(self, owned: Owned, pod: str, known: Iterable[str]) -> str | None:
        self._ask(f"wanted of {owned.name} out of {','.join(sorted(known))}")
        return self.want

    async def facts(self, pod: str) -> PodFacts:
        self._ask(pod)
        if pod not in self.pods:
            raise PodGone(pod)
        return self.pods[pod]

    async def cordoned(self, node: str) -> bool:
        self._ask(node)
        if self.nodes is None:
            raise KubeForbidden("cannot get nodes")
        return self.nodes.get(node, False)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails


def waits(place: int, revision: str) -> Member:
    return Member(f"pod-{place}", f"pod-{place}", f"uid-{place}", revision)


@pytest.fixture
def election() -> FakeElection:
    return FakeElection()


@pytest.fixture
def revisions() -> FakeRevisions:
    return FakeRevisions()


@pytest.fixture
def follower(election: FakeElection, revisions: FakeRevisions) -> Follower:
    return Follower(election, revisions, LoopClock(), Member("pod-1", "pod-1", "uid-1"))


@pytest.fixture
async def running(follower: Follower) -> AsyncIterator[Follower]:
    await follower.learn()
    task = asyncio.create_task(follower.run())
    yield follower
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_member_key_says_the_pods_revision_once_it_is_learned(follower: Follower) -> None:
    assert read_member(follower.describe()) == Member("pod-1", "pod-1", "uid-1", "")
    await follower.learn()
    assert read_member(follower.describe()) == Member("pod-1", "pod-1", "uid-1", "old")


async def test_joining_does_not_wait_for_an_api_that_is_away(follower: Follower, revisions: FakeRevisions) -> None:
    async def never(pod: str) -> Owned:
        await asyncio.get_running_loop().create_future()
        raise AssertionError(pod)

    revisions.owned = never  # type: ignore[method-assign]
    began = asyncio.get_running_loop().time()
    await follower.learn()
    assert asyncio.get_running_loop().time() - began <= 2.0
    assert read_member(follower.describe()).revision == ""


@pytest.mark.usefixtures("running")
async def test_while_one_revision_stands_in_the_queue_kubernetes_is_asked_at_the_win_alone(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    election.members += [waits(2, "old"), waits(3, "old")]
    election.lead(101)
    await asyncio.sleep(600)
    assert revisions.asked == ["owner of pod-1", "pod-1", "node-1"]
    assert 600 / LOOK_SECONDS / 2 < election.musters <= 600 / LOOK_SECONDS + 1
    assert election.transferred == []


@pytest.mark.usefixtures("running")
async def test_a_follower_looks_at_nothing(election: FakeElection, revisions: FakeRevisions) -> None:
    await asyncio.sleep(60)
    assert (election.musters, revisions.asked) == (0, ["owner of pod-1"])


@pytest.mark.usefixtures("running")
async def test_an_older_leader_hands_over_once_to_the_first_of_the_wanted_revision_that_can_lead(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.want = "new"
    revisions.pods["pod-3"] = PodFacts("uid-3", False, False, "n")
    election.members += [waits(2, "old"), waits(3, "new"), waits(4, "new")]
    election.lead(101)
    await asyncio.sleep(60)
    assert election.transferred == ["4"]


@pytest.mark.usefixtures("running")
async def test_a_candidate_that_becomes_ready_is_handed_over_to_within_seconds(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.want = "new"
    revisions.pods["pod-2"] = PodFacts("uid-2", False, False, "n")
    election.members += [waits(2, "new")]
    election.lead(101)
    await asyncio.sleep(30)
    assert election.transferred == []
    revisions.pods["pod-2"] = PodFacts("uid-2", False, True, "n")
    await asyncio.sleep(1.1 * ROLLING_SECONDS)
    assert election.transferred == ["2"]


@pytest.mark.usefixtures("running")
async def test_a_leader_of_the_wanted_revision_keeps_the_lead(election: FakeElection, revisions: FakeRevisions) -> None:
    election.members += [waits(2, "new")]
    election.lead(101)
    await asyncio.sleep(60)
    assert election.transferred == []
    assert "wanted of web-old out of new" in revisions.asked


@pytest.mark.usefixtures("running")
async def test_those_behind_a_program_that_is_no_sidecar_are_not_tried(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.want = "new"
    election.members += [None, waits(3, "new")]
    election.lead(101)
    await asyncio.sleep(60)
    assert election.transferred == []


@pytest.mark.usefixtures("running")
async def test_a_pod_of_a_candidate_that_is_gone_or_another_is_passed_over(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.want = "new"
    del revisions.pods["pod-2"]
    revisions.pods["pod-3"] = PodFacts("uid-9", False, True, "n")
    election.members += [waits(2, "new"), waits(3, "new"), waits(4, "new")]
    election.lead(101)
    await asyncio.sleep(60)
    assert election.transferred == ["4"]


async def test_a_terminating_pod_that_wins_hands_over_at_once(
    election: FakeElection, revisions: FakeRevisions, running: Follower
) -> None:
    revisions.pods["pod-1"] = PodFacts("uid-1", True, True, "n")
    revisions.pods["pod-2"] = PodFacts("uid-2", True, True, "n")
    election.members += [waits(2, "old"), waits(3, "old")]
    election.lead(101)
    await asyncio.sleep(0.1)
    assert election.transferred == ["3"]


@pytest.mark.usefixtures("running")
async def test_a_terminating_pod_that_wins_keeps_the_lead_while_nobody_else_can(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.pods["pod-1"] = PodFacts("uid-1", True, True, "n")
    revisions.pods["pod-2"] = PodFacts("uid-2", False, False, "n")
    election.members += [waits(2, "old")]
    election.lead(101)
    await asyncio.sleep(30)
    assert election.transferred == []
    revisions.pods["pod-2"] = PodFacts("uid-2", False, True, "n")
    await asyncio.sleep(1.1 * ROLLING_SECONDS)
    assert election.transferred == ["2"]


@pytest.mark.usefixtures("running")
async def test_a_pod_on_a_cordoned_node_that_wins_hands_over_to_one_on_another(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.nodes = {"node-1": True, "node-2": True}
    election.members += [waits(2, "old"), waits(3, "old")]
    election.lead(101)
    await asyncio.sleep(0.1)
    assert election.transferred == ["3"]


@pytest.mark.usefixtures("running")
async def test_without_a_right_to_nodes_they_are_asked_for_once(
    election: FakeElection, revisions: FakeRevisions
) -> None:
    for token in (101, 102, 103):
        election.lead(token)
        await asyncio.sleep(10)
    assert [what for what in revisions.asked if what.startswith("node")] == ["node-1"]


@pytest.mark.usefixtures("running")
async def test_missing_rights_are_said_once_and_tried_again_each_minute(
    election: FakeElection, revisions: FakeRevisions, caplog: pytest.LogCaptureFixture
) -> None:
    revisions.fails = KubeForbidden("GET replicasets: 403")
    election.lead(101)
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(3.5 * REFUSED_SECONDS)
    assert revisions.asked.count("pod-1") == 4
    assert caplog.text.count("grant get on pods, replicasets, deployments and statefulsets") == 1
    revisions.fails, revisions.want = None, "new"
    election.members += [waits(2, "new")]
    await asyncio.sleep(REFUSED_SECONDS)
    assert election.transferred == ["2"]


@pytest.mark.parametrize("error", [EtcdUnavailable("no quorum"), KubeUnavailable("away")], ids=["etcd", "kubernetes"])
async def test_an_outage_is_outwaited(
    election: FakeElection, revisions: FakeRevisions, running: Follower, error: Exception
) -> None:
    revisions.want = "new"
    election.members += [waits(2, "new")]
    if isinstance(error, KubeError):
        revisions.fails = error
    else:
        election.fails = error
    election.lead(101)
    await asyncio.sleep(30)
    assert election.transferred == []
    revisions.fails = election.fails = None
    await asyncio.sleep(2.1 * ROLLING_SECONDS)
    assert election.transferred == ["2"]


async def test_a_transfer_that_is_refused_is_tried_again_later(
    election: FakeElection, revisions: FakeRevisions, running: Follower
) -> None:
    revisions.want = "new"
    election.members += [waits(2, "new")]
    refusing = election.transfer

    async def refuse(to: str) -> None:
        election.transferred.append(to)
        raise CannotTransfer("the queue changed")

    election.transfer = refuse  # type: ignore[method-assign]
    election.lead(101)
    await asyncio.sleep(ROLLING_SECONDS / 2)
    assert election.transferred == ["2"]
    election.transfer = refusing  # type: ignore[method-assign]
    await asyncio.sleep(1.1 * ROLLING_SECONDS)
    assert (election.transferred, election.leading()) == (["2", "2"], None)


# at the end -----------------------------------------------------------------------------------------------------------


async def test_a_leader_that_ends_during_a_rollout_hands_over_to_the_wanted_revision(
    follower: Follower, election: FakeElection, revisions: FakeRevisions
) -> None:
    revisions.want = "new"
    election.members += [waits(2, "old"), waits(3, "new")]
    election.lead(101)
    assert await follower.heir(1.0) == "3"


async def test_a_leader_that_ends_while_one_revision_waits_leaves_it_to_the_queue_and_asks_nothing_for_it(
    follower: Follower, election: FakeElection, revisions: FakeRevisions
) -> None:
    await follower.learn()
    election.members += [waits(2, "old"), waits(3, "old")]
    election.lead(101)
    assert await follower.heir(1.0) is None
    assert revisions.asked == ["owner of pod-1"]


async def test_one_that_ends_and_does_not_lead_has_no_heir(follower: Follower, election: FakeElection) -> None:
    assert await follower.heir(1.0) is None
    assert election.musters == 0


@pytest.mark.parametrize("away", ["refuses", "silent"])
async def test_an_end_does_not_wait_for_kubernetes(
    follower: Follower, election: FakeElection, revisions: FakeRevisions, away: str
) -> None:
    await follower.learn()
    election.members += [waits(2, "new")]
    election.lead(101)

    async def never(owned: Owned, pod: str, known: Iterable[str]) -> str | None:
        await asyncio.get_running_loop().create_future()
        raise AssertionError(pod)

    if away == "silent":
        revisions.wanted = never  # type: ignore[method-assign]
    else:
        revisions.fails = KubeUnavailable("away")
    began = asyncio.get_running_loop().time()
    assert await follower.heir(0.5) is None
    assert asyncio.get_running_loop().time() - began <= 0.5
