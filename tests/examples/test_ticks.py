"""``deploy/examples/tick`` in each language: real processes beside two real sidecars, on a real etcd."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.languages import LANGUAGES, Language, command
from tests.examples.pods import Pair, Pod, Store, Workload, wait_until
from tests.examples.relay import Relay
from tests.support.etcd import Cluster, running
from tests.support.sidecar import SidecarProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # Go's library may have to be compiled first
TTL_SECONDS = 3
FLAGS = ["--max-promise=1"]  # what each drain waits for


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("examples"))) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    return LANGUAGES[request.param]


@pytest.fixture
def pair(language: Language, etcd: Cluster, built: Path, tmp_path: Path) -> Iterator[Pair]:
    """Two pods whose containers start in no order: the workloads may find no sidecar yet."""
    runs = command(language, built)
    with ExitStack() as started:
        store = started.enter_context(Store(tmp_path))
        store.wait_until_ready()

        def start(name: str) -> Pod:
            endpoints, lock = ",".join(etcd.endpoints), f"/examples{tmp_path}"
            sidecar = SidecarProcess(
                name, etcd_endpoints=endpoints, lock_name=lock, folder=tmp_path, ttl_seconds=TTL_SECONDS, flags=FLAGS
            )
            to_sidecar, to_store = (started.enter_context(Relay(port)) for port in (sidecar.port, store.port))
            log = tmp_path / f"workload-{name}.log"
            workload = Workload(f"workload {name}", runs, log, sidecar=to_sidecar.url, store=to_store.url)
            return Pod(started.enter_context(sidecar), started.enter_context(workload), to_sidecar, to_store)

        pods = [start("a"), start("b")]
        store.wait_for_ticks(1)
        leader, other = sorted(pods, key=lambda pod: not pod.sidecar.leads())
        leader.sidecar.wait_until_leading()
        other.wait_until_idle()
        yield Pair(leader, other, store)


def test_it_ticks_while_its_pod_leads_and_waits_without_asking_all_the_time_while_it_does_not(pair: Pair) -> None:
    asked = pair.other.to_sidecar.asked(b"GET")
    token = pair.store.wait_for_ticks(6)
    assert pair.other.to_sidecar.asked(b"GET") - asked <= 2
    assert pair.other.to_store.asked(b"POST") == 0
    assert pair.leader.sidecar.resign(drain=True)[0] == 204
    assert pair.store.wait_for_another_token(than=token) > token
    pair.leader.wait_until_idle()
    assert pair.store.refused() == []


def test_told_to_stop_it_ends_at_once_and_gives_up_the_lead_that_its_pod_has(pair: Pair, language: Language) -> None:
    half_a_long_poll_seconds = 15
    assert pair.other.workload.terminate(half_a_long_poll_seconds) == language.exit_code
    token = pair.store.wait_for_ticks(1)
    pair.other.workload.start()
    assert pair.leader.workload.terminate() == language.exit_code
    assert pair.store.wait_for_another_token(than=token) > token
    assert pair.leader.sidecar.leader()[1]["state"] == "waiting"
    assert pair.store.refused() == []


def test_without_its_sidecar_it_stops_in_time_and_it_goes_on_with_the_next_one(pair: Pair) -> None:
    token = pair.store.wait_for_ticks(1)
    pair.leader.sidecar.kill()
    second = pair.store.wait_for_another_token(than=token)
    pair.leader.sidecar.start()
    pair.leader.wait_until_idle()
    assert pair.other.sidecar.resign(drain=True)[0] == 204
    assert pair.store.wait_for_another_token(than=second) > second
    assert pair.leader.workload.alive
    assert pair.store.refused() == []


def test_frozen_with_the_answer_in_hand_and_thawed_when_another_leads_it_does_not_even_try_to_write(pair: Pair) -> None:
    token = pair.store.wait_for_ticks(1)
    answers = pair.leader.to_sidecar.answers
    answers.shut()
    answers.wait_for_one()
    pair.leader.workload.freeze(alone=True)  # a shell's curl still brings it the answer
    before = len(answers.passed)
    answers.open()
    wait_until("it has the answer", lambda: b"".join(answers.passed[before:]).endswith(b"}"))
    pair.leader.sidecar.freeze()
    tried, asked = pair.leader.to_store.asked(b"POST"), pair.leader.to_sidecar.asked(b"GET")
    pair.store.wait_for_another_token(than=token)
    pair.leader.workload.thaw()
    wait_until("it has done with that answer", lambda: pair.leader.to_sidecar.asked(b"GET") > asked)
    assert pair.leader.to_store.asked(b"POST") == tried
    pair.leader.sidecar.thaw()
    pair.leader.wait_until_idle()
    assert pair.store.refused() == []


def test_what_it_wrote_before_it_was_frozen_is_refused_when_it_arrives_after_anothers_write(pair: Pair) -> None:
    token = pair.store.wait_for_ticks(1)
    pair.leader.to_store.requests.shut()
    pair.leader.to_store.requests.wait_for_one()
    pair.leader.workload.freeze()
    assert pair.leader.sidecar.resign(drain=True)[0] == 204
    newer = pair.store.wait_for_another_token(than=token)
    pair.leader.to_store.requests.open()
    wait_until("the late write is refused", lambda: pair.store.refused() == [token], pair.store.output)
    pair.leader.workload.thaw()
    pair.leader.wait_until_idle()
    assert pair.store.wait_for_ticks(2) == newer
    assert pair.store.refused() == [token]
