"""The label's decisions, one by one."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.election.label import (
    CheckMine,
    Failure,
    Hold,
    Known,
    Leave,
    ListPeers,
    Look,
    ReadOwn,
    Rest,
    Rules,
    Settle,
    Step,
    Strip,
    WriteOwn,
    at_once,
    failed,
    in_sync,
    learned_mine,
    learned_own,
    learned_peers,
    learned_strip,
    next_step,
    overtaken,
    retry,
    unauthorized,
)
from sidecar.election.label_scheme import ExtraLabel, Pod, Role, Scheme

RULES = Rules(Scheme("leader-sidecar/e", None), native=False)
NATIVE = replace(RULES, native=True)
WITH_ROLE = Rules(Scheme("leader-sidecar/e", ExtraLabel("role", "primary", "replica")), native=False)


def pod(name: str, role: str = "", token: int = 0, *, version: str = "1", terminating: bool = False) -> Pod:
    return Pod(name, f"uid-{name}", version, role, token, "", 0, terminating)


def me(role: str = "", token: int = 0, *, version: str = "1") -> Pod:
    return pod("me", role, token, version=version)


def known(own: Pod | None, peers: tuple[Pod, ...] | None = None, **more: Any) -> Known:
    return replace(Known("uid-me", own=own, peers=peers, starting=False), **more)


def decide(
    what: Known,
    token: int | None,
    *,
    rules: Rules = RULES,
    settled: bool = True,
    look: Look = Look.NOT_YET,
) -> Step:
    return next_step(rules, what, token, settled=settled, look=look)


STARTED = replace(known(None), starting=True)
PEER = pod("b", "leader", 3)
ENDING = pod("b", "leader", 3, terminating=True)
ENDING_ELECTING = pod("b", "electing", 3, terminating=True)
HIGHER = pod("b", "leader", 9)


@pytest.mark.parametrize(
    ("what", "step"),
    [
        pytest.param(known(None), ReadOwn(cached=False), id="unknown: read"),
        pytest.param(known(me()), WriteOwn(me(), Role.FOLLOWER, None), id="no label: follower, token untouched"),
        pytest.param(known(me("follower")), Rest(), id="follower: rest"),
        pytest.param(known(me("odd")), WriteOwn(me("odd"), Role.FOLLOWER, None), id="a value by hand: follower"),
        pytest.param(
            known(me("leader", 5)), WriteOwn(me("leader", 5), Role.FOLLOWER, None), id="lost: off, token kept"
        ),
        pytest.param(
            replace(STARTED, own=me("leader", 5)),
            WriteOwn(me("leader", 5), Role.FOLLOWER, 0),
            id="left over: off, token removed",
        ),
        pytest.param(replace(STARTED, own=me("follower", 5)), Rest(), id="nothing left over"),
        pytest.param(replace(known(me("leader", 5)), gone=True), Leave(), id="gone"),
    ],
)
def test_a_follower(what: Known, step: Step) -> None:
    assert decide(what, None) == step


@pytest.mark.parametrize(
    ("what", "step"),
    [
        pytest.param(known(None), ReadOwn(cached=False), id="unknown: read"),
        pytest.param(
            known(me("follower")), WriteOwn(me("follower"), Role.ELECTING, 5), id="1: electing, with my token"
        ),
        pytest.param(known(me("electing", 4)), WriteOwn(me("electing", 4), Role.ELECTING, 5), id="1: an older token"),
        pytest.param(known(me("leader", 4)), WriteOwn(me("leader", 4), Role.ELECTING, 5), id="1: an older lead"),
        pytest.param(
            known(me("follower", 7)), WriteOwn(me("follower", 7), Role.FOLLOWER, 0), id="0: own token is higher"
        ),
        pytest.param(
            known(me("leader", 7)), WriteOwn(me("leader", 7), Role.FOLLOWER, 0), id="0: own token is higher, leading"
        ),
        pytest.param(known(me("electing", 5)), ListPeers(cached=False), id="2: list, never from the cache"),
        pytest.param(known(me("electing", 5), (PEER,)), Strip(PEER, 5), id="3: strip"),
        pytest.param(known(me("electing", 5), (HIGHER,)), CheckMine(HIGHER), id="3: a higher token"),
        pytest.param(known(me("electing", 5), (PEER, HIGHER)), CheckMine(HIGHER), id="3: a higher token goes first"),
        pytest.param(
            known(me("electing", 5), (HIGHER,), mine=True), Hold(HIGHER, alarm=True), id="3: higher, and I still lead"
        ),
        pytest.param(
            known(me("electing", 5), (HIGHER,), mine=False), Hold(HIGHER, alarm=False), id="3: higher, and I do not"
        ),
        pytest.param(
            known(me("electing", 5), (pod("b", "leader", 5),)), Strip(pod("b", "leader", 5), 5), id="3: an equal token"
        ),
        pytest.param(known(me("electing", 5), ()), WriteOwn(me("electing", 5), Role.LEADER, 5), id="4: leader"),
        pytest.param(known(me("leader", 5)), Rest(), id="done"),
        pytest.param(known(me("leader", 5), (PEER,)), Strip(PEER, 5), id="met by the resync: strip"),
        pytest.param(known(me("leader", 5), (HIGHER,)), CheckMine(HIGHER), id="met by the resync: higher"),
        pytest.param(known(me("leader", 5), relist=True), ListPeers(cached=False), id="what was listed did not hold"),
    ],
)
def test_a_leader_with_token_5(what: Known, step: Step) -> None:
    assert decide(what, 5) == step


@pytest.mark.parametrize(
    ("rules", "peer", "step"),
    [
        pytest.param(RULES, ENDING, Strip(ENDING, 5), id="otherwise it goes off first"),
        pytest.param(NATIVE, ENDING, WriteOwn(me("electing", 5), Role.LEADER, 5), id="native: it serves until I do"),
        pytest.param(NATIVE, PEER, Strip(PEER, 5), id="native, not terminating"),
        pytest.param(NATIVE, ENDING_ELECTING, Strip(ENDING_ELECTING, 5), id="native, terminating, serves nobody"),
    ],
)
def test_a_terminating_leader_keeps_its_label_in_native_form(rules: Rules, peer: Pod, step: Step) -> None:
    assert decide(known(me("electing", 5), (peer,)), 5, rules=rules) == step


def test_a_terminating_leader_is_stripped_right_after_the_own_label_is_on() -> None:
    before = known(me("electing", 5), (ENDING,))
    after = learned_own(before, WriteOwn(me("electing", 5), Role.LEADER, 5), me("leader", 5, version="2"))
    assert decide(after, 5, rules=NATIVE, settled=False) == Strip(ENDING, 5)
    assert decide(learned_strip(after, Strip(ENDING, 5)), 5, rules=NATIVE) == Rest()


def test_after_a_strip_the_own_label_waits_to_settle() -> None:
    stripped = learned_strip(known(me("electing", 5), (PEER,)), Strip(PEER, 5))
    assert decide(stripped, 5, settled=False) == Settle()
    assert decide(stripped, 5, settled=True) == WriteOwn(me("electing", 5), Role.LEADER, 5)


def test_after_a_strip_of_a_terminating_peer_there_is_nothing_to_settle() -> None:
    stripped = learned_strip(known(me("electing", 5), (ENDING,)), Strip(ENDING, 5))
    assert decide(stripped, 5, settled=False) == WriteOwn(me("electing", 5), Role.LEADER, 5)


@pytest.mark.parametrize(
    ("token", "own", "look", "step"),
    [
        (None, me("follower"), Look.RESYNC, ReadOwn(cached=True)),
        (None, me("follower"), Look.CAREFUL, ReadOwn(cached=False)),
        (5, me("leader", 5), Look.RESYNC, ListPeers(cached=True)),
        (5, me("leader", 5), Look.CAREFUL, ReadOwn(cached=False)),
        (None, me("leader", 5), Look.CAREFUL, WriteOwn(me("leader", 5), Role.FOLLOWER, None)),
        (5, me("electing", 5), Look.RESYNC, ListPeers(cached=False)),
    ],
)
def test_looks_come_when_there_is_nothing_else_to_do(token: int | None, own: Pod, look: Look, step: Step) -> None:
    assert decide(known(own), token, look=look) == step


@pytest.mark.parametrize("failure", [Failure.CONFLICT, Failure.LOST, Failure.GONE, Failure.REFUSED])
def test_a_write_that_failed_is_followed_by_a_consistent_read(failure: Failure) -> None:
    step = WriteOwn(me("electing", 5), Role.LEADER, 5)
    assert decide(failed(known(me("electing", 5), ()), step, failure), 5) == ReadOwn(cached=False)


@pytest.mark.parametrize("failure", [Failure.CONFLICT, Failure.LOST, Failure.GONE, Failure.REFUSED])
@pytest.mark.parametrize("own", [me("electing", 5), me("leader", 5)])
def test_a_strip_that_failed_is_followed_by_a_consistent_list(own: Pod, failure: Failure) -> None:
    assert decide(failed(known(own, (PEER,)), Strip(PEER, 5), failure), 5) == ListPeers(cached=False)


def test_a_version_that_moved_on_voids_the_list() -> None:
    before = known(me("electing", 5), ())
    after = learned_own(before, ReadOwn(cached=False), me("electing", 5, version="2"))
    assert decide(after, 5) == ListPeers(cached=False)


def test_who_reads_that_it_leads_lists_before_it_rests() -> None:
    after = learned_own(known(None), ReadOwn(cached=False), me("leader", 5))
    assert decide(after, 5) == ListPeers(cached=False)
    assert decide(learned_peers(RULES, after, ListPeers(cached=False), (me("leader", 5),)), 5) == Rest()


def test_a_leader_missing_from_a_list_reads_its_pod() -> None:
    after = learned_peers(RULES, known(me("leader", 5)), ListPeers(cached=True), (PEER,))
    assert decide(after, 5) == ReadOwn(cached=False)


def test_nobody_is_elected_by_the_cache() -> None:
    after = learned_peers(RULES, known(me("electing", 5)), ListPeers(cached=True), ())
    assert decide(after, 5) == ListPeers(cached=False)


def test_another_uid_in_the_cache_is_asked_again_and_then_means_gone() -> None:
    other = replace(me("follower"), uid="uid-other")
    cached = learned_own(known(me("follower")), ReadOwn(cached=True), other)
    assert decide(cached, None) == ReadOwn(cached=False)
    assert decide(learned_own(cached, ReadOwn(cached=False), other), None) == Leave()


def test_not_found_in_the_cache_is_asked_again_and_then_means_gone() -> None:
    cached = failed(known(me("follower")), ReadOwn(cached=True), Failure.GONE)
    assert decide(cached, None) == ReadOwn(cached=False)
    assert decide(failed(cached, ReadOwn(cached=False), Failure.GONE), None) == Leave()


def test_an_unknown_uid_is_taken_from_the_first_read() -> None:
    first = learned_own(Known(""), ReadOwn(cached=False), me("follower"))
    assert first.uid == "uid-me"
    again = learned_own(first, ReadOwn(cached=False), replace(me("follower"), uid="uid-other"))
    assert again.gone


def test_a_token_refused_for_good_means_gone() -> None:
    assert decide(unauthorized(known(me("follower"))), None) == Leave()


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.REFUSED])
@pytest.mark.parametrize("step", [ReadOwn(cached=True), ListPeers(cached=True)])
def test_a_look_that_failed_changes_nothing(step: ReadOwn | ListPeers, failure: Failure) -> None:
    before = known(me("follower"))
    assert failed(before, step, failure) == before


def test_a_hold_ends_with_a_new_list() -> None:
    held = learned_mine(known(me("electing", 5), (HIGHER,)), mine=True)
    assert isinstance(decide(held, 5), Hold)
    assert decide(retry(held), 5) == ListPeers(cached=False)


def test_an_unanswered_question_about_the_lock_raises_no_alarm() -> None:
    asked = failed(known(me("electing", 5), (HIGHER,)), CheckMine(HIGHER), Failure.LOST)
    assert decide(asked, 5) == Hold(HIGHER, alarm=False)


@pytest.mark.parametrize("own", [me("leader", 5), me("electing", 5)])
@pytest.mark.parametrize(
    "under_way", [ListPeers(cached=False), Strip(PEER, 5), WriteOwn(me("electing", 5), Role.LEADER, 5)]
)
def test_a_lost_lead_overtakes_the_call_under_way(own: Pod, under_way: Step) -> None:
    assert at_once(known(own), None, under_way) == WriteOwn(own, Role.FOLLOWER, None)


@pytest.mark.parametrize(
    ("what", "token", "under_way"),
    [
        pytest.param(known(me("leader", 5)), 5, ListPeers(cached=True), id="still leading"),
        pytest.param(
            known(me("leader", 5)), None, WriteOwn(me("leader", 5), Role.FOLLOWER, None), id="it does so already"
        ),
        pytest.param(known(me("follower")), None, ReadOwn(cached=True), id="nothing to take off"),
        pytest.param(known(None), None, ReadOwn(cached=False), id="unknown: the read comes first"),
        pytest.param(replace(known(me("leader", 5)), gone=True), None, ReadOwn(cached=False), id="gone"),
    ],
)
def test_nothing_else_overtakes(what: Known, token: int | None, under_way: Step) -> None:
    assert at_once(what, token, under_way) is None


def test_my_label_may_lead_from_the_write_on_until_it_is_known_to_be_off() -> None:
    lead, off = WriteOwn(me("electing", 5), Role.LEADER, 5), WriteOwn(me("electing", 5), Role.FOLLOWER, None)
    lost = failed(known(me("electing", 5), ()), lead, Failure.LOST)
    assert lost.may_lead
    assert overtaken(known(me("electing", 5), ()), lead).may_lead
    read = learned_own(lost, ReadOwn(cached=False), me("electing", 5))
    assert read.may_lead, "the lost write carries this very version and may still land"
    assert not learned_own(read, off, me("follower", 5, version="2")).may_lead


@pytest.mark.parametrize(
    ("what", "token", "right"),
    [
        (known(me("follower")), None, True),
        (known(me("leader", 5)), 5, True),
        (known(me("electing", 5)), 5, False),
        (known(me("leader", 4)), 5, False),
        (known(me("leader", 5), (PEER,)), 5, False),
        (known(me("leader", 5), relist=True), 5, False),
        (known(me("leader", 5)), None, False),
        (known(None), None, False),
        (replace(known(me("follower")), gone=True), None, False),
    ],
)
def test_in_sync(what: Known, token: int | None, *, right: bool) -> None:
    assert in_sync(RULES, what, token) is right


def test_foreign_pods_are_named_and_hand_flipped_followers_are_stripped() -> None:
    own = replace(me("leader", 5), extra="primary", extra_token=5)
    stranger = replace(pod("s"), extra="primary")
    flipped = replace(pod("f", "follower", 1), extra="primary")
    after = learned_peers(WITH_ROLE, known(own), ListPeers(cached=True), (own, stranger, flipped))
    assert after.foreign == ("s",)
    assert decide(after, 5, rules=WITH_ROLE) == Strip(flipped, 5)
