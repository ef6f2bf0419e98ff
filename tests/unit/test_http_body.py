from dataclasses import replace

import pytest

from sidecar.election.verdict import State, View
from sidecar.http.body import leader_body, leader_headers, leader_name, rfc3339
from tests.support.http import FOLLOWING, LEADING, NOW


@pytest.mark.parametrize(
    ("left_seconds", "valid_for_ms"),
    [(2.0, 2000), (1.9999, 1999), (0.5, 500), (0.0009, 0), (0.0, 0), (-3.0, 0)],
)
def test_validity_is_rounded_down_and_never_negative(left_seconds: float, valid_for_ms: int) -> None:
    body = leader_body(LEADING, deadline=NOW + left_seconds, now=NOW)
    assert body["valid_for_ms"] == valid_for_ms


def test_the_absolute_deadline_is_the_promise_in_nanoseconds_since_boot() -> None:
    body = leader_body(LEADING, deadline=NOW + 1.5, now=None)
    assert (body["valid_for_ms"], body["valid_until_boottime_ns"]) == (None, 1_001_500_000_000)


def test_the_body_has_exactly_the_fields_of_the_contract() -> None:
    assert leader_body(FOLLOWING, deadline=None, now=NOW) == {
        "election": "web",
        "name": "web-0",
        "id": "a1",
        "is_leader": False,
        "leader": "web-1",
        "leader_id": "b2",
        "token": None,
        "valid_for_ms": None,
        "valid_until_boottime_ns": None,
        "at_risk": False,
        "since": "2023-11-14T22:13:20.250Z",
        "state": "waiting",
        "position": 2,
        "version": "i.1",
    }


def test_a_follower_states_no_token_whatever_it_once_held() -> None:
    assert leader_body(replace(FOLLOWING, token=17), deadline=None, now=NOW)["token"] is None


@pytest.mark.parametrize(
    ("view", "deadline", "now", "headers"),
    [
        (LEADING, NOW + 2, NOW, {"X-Leader-Token": "17", "X-Leader-Valid-Ms": "2000"}),
        (LEADING, NOW, NOW, {"X-Leader-Token": "17", "X-Leader-Valid-Ms": "0"}),
        (LEADING, NOW + 2, None, {"X-Leader-Token": "17"}),
        (LEADING, None, None, {"X-Leader-Token": "17"}),
        (FOLLOWING, None, NOW, {}),
    ],
)
def test_headers_repeat_what_the_body_says(
    view: View, deadline: float | None, now: float | None, headers: dict[str, str]
) -> None:
    assert leader_headers(leader_body(view, deadline=deadline, now=now)) == headers


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (LEADING, "web-0"),
        (FOLLOWING, "web-1"),
        (replace(FOLLOWING, leader=None, leader_id=None), ""),
        # its key is first, but its validity has passed
        (replace(FOLLOWING, leader="web-0", leader_id="a1", state=State.UNCONFIRMED), ""),
        # a StatefulSet's pod was re-created: the lease of its first life still leads
        (replace(FOLLOWING, leader="web-0", leader_id="99"), ""),
    ],
)
def test_the_legacy_answer_names_this_pod_only_while_it_leads(view: View, name: str) -> None:
    assert leader_name(view) == name


@pytest.mark.parametrize(
    ("epoch_seconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_700_000_000.9996, "2023-11-14T22:13:20.999Z")],
)
def test_times_are_rfc_3339_in_utc(epoch_seconds: float, text: str) -> None:
    assert rfc3339(epoch_seconds) == text
