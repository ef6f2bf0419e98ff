"""The pod label on a Kubernetes API over real HTTP: kmock in every run, a real kube-apiserver where it is built."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sidecar.election.label_scheme import Role, Scheme, own_changes
from sidecar.election.verdict import Reason, State, Transition
from sidecar.errors import KubeConflict, KubeForbidden, KubeUnauthorized, PodGone
from sidecar.kube.ending import workload_has_ended
from tests.support.kube import APIS, Api, MockedApi, api_named, eventually
from tests.support.labelled import KEY, PLAIN, TOKEN, WITH_ROLE, LabelledPod

Start = Callable[..., Awaitable[LabelledPod]]


@pytest.fixture(params=APIS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with api_named(request.param, request) as named:
        yield named


@pytest.fixture
async def start(api: Api, tmp_path: Path) -> AsyncIterator[Start]:
    """Creates a pod and runs its labeler until the test ends; ``away``: with the API gone from the start."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(
            name: str,
            *,
            labels: dict[str, str] | None = None,
            annotations: dict[str, str] | None = None,
            scheme: Scheme = PLAIN,
            native: bool = False,
            away: bool = False,
        ) -> LabelledPod:
            uid = await api.create_pod(name, labels or {}, annotations or {})
            pod = LabelledPod(api, tmp_path, name, uid, scheme, native=native)
            if away:
                await api.go_away()
            return await stack.enter_async_context(pod)

        yield begin


async def becomes_right(*pods: LabelledPod) -> None:
    for pod in pods:
        await eventually(pod.labeler.in_sync, f"the label of {pod.name} is right")


async def test_a_new_pod_says_follower_and_bears_no_token(start: Start) -> None:
    pod = await start("a")
    await becomes_right(pod)
    assert await pod.labels() == {KEY: "follower"}
    assert pod.labeler.initialised


async def test_the_winner_says_leader_with_its_token_and_the_others_follower(start: Start) -> None:
    a, b = await start("a"), await start("b")
    await becomes_right(a, b)
    a.verdict.set(7)
    await becomes_right(a, b)
    assert await a.labels() == {KEY: "leader", TOKEN: "7"}
    assert await b.labels() == {KEY: "follower"}


async def test_handovers_never_show_two_leaders(api: Api, start: Start) -> None:
    pods = [await start(name) for name in "abc"]
    await becomes_right(*pods)
    seen: list[int] = []

    async def look() -> None:
        while True:
            leaders = [pod for pod in await api.pods() if pod["metadata"]["labels"].get(KEY) == "leader"]
            seen.append(len(leaders))
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    for token, (old, new) in enumerate(itertools.pairwise([*pods, *pods]), 1):
        old.verdict.set(None)
        new.verdict.set(token)
        await becomes_right(old, new)
        assert (await new.labels())[TOKEN] == str(token)
    looking.cancel()
    await asyncio.wait([looking])
    assert max(seen) == 1


async def test_a_leader_that_died_loses_its_label_to_the_next(start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a, b)
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    assert await a.labels() == {KEY: "follower", TOKEN: "2"}
    assert await b.labels() == {KEY: "leader", TOKEN: "2"}


async def test_a_deposed_leaders_late_write_is_refused(start: Start) -> None:
    a, b = await start("a"), await start("b")
    await becomes_right(a, b)
    await a.stop()
    electing, leading = (own_changes(PLAIN, role, 1) for role in (Role.ELECTING, Role.LEADER))
    read = await a.pods.read("a", cached=False)
    first = await a.pods.patch(
        "a", uid=a.uid, version=read.version, labels=electing.labels, annotations=electing.annotations
    )
    b.verdict.set(2)
    await becomes_right(b)
    with pytest.raises(KubeConflict):
        await a.pods.patch(
            "a", uid=a.uid, version=first.version, labels=leading.labels, annotations=leading.annotations
        )
    assert await a.labels() == {KEY: "follower", TOKEN: "2"}


@pytest.mark.parametrize("api", [pytest.param("real", marks=[pytest.mark.tools])], indirect=True)
async def test_the_api_server_itself_refuses_a_deposed_leaders_token(start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a, b)
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    now = await a.pods.read("a", cached=False)
    late = own_changes(PLAIN, Role.LEADER, 1)
    with pytest.raises(KubeForbidden, match="never goes down"):
        await a.pods.patch("a", uid=a.uid, version=now.version, labels=late.labels, annotations=late.annotations)


async def test_a_pod_made_anew_under_the_same_name_is_not_touched_and_reported(api: Api, start: Start) -> None:
    pod = await start("a")
    await becomes_right(pod)
    await api.remove_pod("a")
    await api.create_pod("a", {}, {})
    pod.verdict.set(3)
    await eventually(lambda: pod.verdict.gone, "the pod is reported gone")
    assert KEY not in await pod.labels()
    assert not pod.labeler.may_say_leader()


async def test_a_removed_pod_is_reported_gone(api: Api, start: Start) -> None:
    pod = await start("a")
    await becomes_right(pod)
    await api.remove_pod("a")
    pod.verdict.set(3)
    await eventually(lambda: pod.verdict.gone, "the pod is reported gone")


@pytest.mark.parametrize("role", ["leader", "electing"])
async def test_what_a_previous_run_left_is_put_right_before_joining(start: Start, role: str) -> None:
    pod = await start("a", labels={KEY: role}, annotations={TOKEN: "9"})
    await asyncio.wait_for(pod.labeler.wait_initialised(), 60)
    await becomes_right(pod)
    assert await pod.labels() == {KEY: "follower"}


async def test_a_token_from_before_etcd_was_replaced_does_not_stand_in_the_way(start: Start) -> None:
    pod = await start("a", labels={KEY: "follower"}, annotations={TOKEN: "900"})
    await becomes_right(pod)
    pod.verdict.set(4)
    await becomes_right(pod)
    assert await pod.labels() == {KEY: "leader", TOKEN: "4"}


async def test_without_rights_the_label_waits_and_is_written_once_they_are_there(api: Api, start: Start) -> None:
    await api.take_rights()
    pod = await start("a")
    pod.verdict.set(1)
    blocked = pod.metrics.failures.labels("kube_forbidden")
    await eventually(lambda: blocked._value.get() >= 2, "it meets the refusal and tries again")  # noqa: SLF001
    assert pod.runs
    assert not pod.labeler.in_sync()
    assert not pod.verdict.gone
    await asyncio.wait_for(pod.labeler.wait_initialised(), 60)
    await api.give_rights()
    await becomes_right(pod)
    assert await pod.labels() == {KEY: "leader", TOKEN: "1"}


async def test_with_the_api_away_joining_waits_a_bounded_time_and_a_leftover_is_put_right_later(
    api: Api, start: Start
) -> None:
    pod = await start("a", labels={KEY: "leader"}, annotations={TOKEN: "1"}, away=True)
    assert not pod.labeler.initialised
    await asyncio.wait_for(pod.labeler.wait_initialised(), 60)
    assert not pod.labeler.in_sync()
    pod.verdict.set(2)
    await api.come_back()
    await becomes_right(pod)
    assert await pod.labels() == {KEY: "leader", TOKEN: "2"}


async def test_a_label_that_cannot_be_taken_off_in_time_is_taken_off_once_the_api_is_back(
    api: Api, start: Start
) -> None:
    pod = await start("a")
    pod.verdict.set(1)
    await becomes_right(pod)
    await api.go_away()
    pod.verdict.set(None)
    assert not await pod.labeler.take_off(0.3)
    assert pod.labeler.may_say_leader()
    assert pod.runs
    await api.come_back()
    assert await pod.labeler.take_off(60)
    assert await pod.labels() == {KEY: "follower", TOKEN: "1"}


async def test_the_users_label_says_the_same_with_a_token_of_its_own(start: Start) -> None:
    a, b = await start("a", scheme=WITH_ROLE), await start("b", scheme=WITH_ROLE)
    await becomes_right(a, b)
    assert await a.labels() == {KEY: "follower", "role": "replica"}
    a.verdict.set(1)
    await becomes_right(a)
    assert await a.labels() == {KEY: "leader", TOKEN: "1", "role": "primary", "role.token": "1"}
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    assert await a.labels() == {KEY: "follower", TOKEN: "2", "role": "replica", "role.token": "2"}
    assert await b.labels() == {KEY: "leader", TOKEN: "2", "role": "primary", "role.token": "2"}


async def test_a_pod_outside_the_election_keeps_the_users_label(api: Api, start: Start) -> None:
    await api.create_pod("stranger", {"role": "primary"}, {})
    pod = await start("a", scheme=WITH_ROLE)
    pod.verdict.set(1)
    await becomes_right(pod)
    assert (await api.pod("stranger"))["metadata"]["labels"] == {"role": "primary"}


async def test_a_terminating_leader_in_native_form_is_stripped_in_the_end(api: Api, start: Start) -> None:
    a, b = await start("a", native=True), await start("b", native=True)
    a.verdict.set(1)
    await becomes_right(a, b)
    await api.terminate_pod("a")
    await a.stop()
    b.verdict.set(2)
    await becomes_right(b)
    assert await a.labels() == {KEY: "follower", TOKEN: "2"}
    assert await b.labels() == {KEY: "leader", TOKEN: "2"}


async def test_in_steady_state_nothing_is_written(api: Api, start: Start) -> None:
    a, b = await start("a"), await start("b")
    a.verdict.set(1)
    await becomes_right(a, b)
    before = [(await api.pod(name))["metadata"]["resourceVersion"] for name in "ab"]
    await asyncio.sleep(2)  # the first careful looks come after one second
    assert [(await api.pod(name))["metadata"]["resourceVersion"] for name in "ab"] == before


async def test_the_label_goes_off_within_the_step_down(start: Start) -> None:
    pod = await start("a")
    pod.verdict.set(1)
    await becomes_right(pod)
    pod.verdict.set(None)
    assert pod.labeler.may_say_leader()
    assert await pod.labeler.take_off(60)
    assert (await pod.labels())[KEY] == "follower"
    assert not pod.labeler.may_say_leader()


async def test_leaderships_are_told_as_events_on_the_pod(api: Api, start: Start) -> None:
    pod = await start("a")
    change = Transition(0.0, State.WAITING, State.LEADING, Reason.ELECTED, 5, 1.0)
    pod.announcer.transition("e", change)
    until = asyncio.get_running_loop().time() + 60
    while not (events := await api.events()):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.01)
    event = events[0]
    assert event["reason"] == "LeaderElected"
    assert event["involvedObject"]["uid"] == pod.uid
    assert "token 5" in event["message"]


async def test_the_api_answers_as_the_decisions_take_for_granted(api: Api, start: Start) -> None:
    """Another uid: gone; a stale version: conflict, whatever the uid; a patch that changes nothing: same version."""
    pod = await start("a")
    await becomes_right(pod)
    now = await pod.pods.read("a", cached=False)
    same = {KEY: "follower"}
    again = await pod.pods.patch("a", uid=pod.uid, version=now.version, labels=same, annotations={})
    assert again.version == now.version
    other = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(PodGone):
        await pod.pods.patch("a", uid=other, version=now.version, labels=same, annotations={})
    await api.edit_labels("a", {"something": "else"})
    with pytest.raises(KubeConflict):
        await pod.pods.patch("a", uid=other, version=now.version, labels=same, annotations={})
    with pytest.raises(KubeConflict):
        await pod.pods.patch("a", uid=pod.uid, version=now.version, labels=same, annotations={})
    with pytest.raises(PodGone):
        await pod.pods.read("nobody", cached=False)


async def test_a_terminating_pod_is_seen_as_one_whose_workload_has_ended(api: Api, start: Start) -> None:
    pod = await start("a")
    assert not workload_has_ended(await pod.pods.status("a", 10), pod.uid)
    await api.terminate_pod("a")
    assert workload_has_ended(await pod.pods.status("a", 10), pod.uid)


@pytest.mark.parametrize("api", ["kmock"], indirect=True)
async def test_a_token_that_stays_refused_means_that_the_pod_is_gone(api: MockedApi, start: Start) -> None:
    pod = await start("a")
    await becomes_right(pod)
    api.kubernetes.refuse_tokens = True
    with pytest.raises(KubeUnauthorized):
        await pod.pods.read("a", cached=False)
    pod.verdict.set(1)
    await eventually(lambda: pod.verdict.gone, "the pod is reported gone")
