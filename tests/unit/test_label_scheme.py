"""How a pod is read through an election's keys, and what each write changes."""

import pytest

from sidecar.election.label_scheme import (
    UNREADABLE,
    ExtraLabel,
    Pod,
    Role,
    Scheme,
    bears_lead,
    extra_selector,
    is_foreign,
    is_right,
    leading_selector,
    own_changes,
    read_pod,
    strip_changes,
    token_to_beat,
)

KEY, TOKEN = "leader-sidecar/e", "leader-sidecar/e.token"
PLAIN = Scheme(KEY, None)
EXTRA = ExtraLabel("role", "primary", "replica")
BOTH = Scheme(KEY, EXTRA)


def pod(role: str = "", token: int = 0, extra: str = "", extra_token: int = 0) -> Pod:
    return Pod("p", "uid", "1", role, token, extra, extra_token, terminating=False)


def read(labels: dict[str, str], annotations: dict[str, str], scheme: Scheme = BOTH) -> Pod:
    return read_pod(scheme, name="p", uid="uid", version="1", labels=labels, annotations=annotations, terminating=False)


def test_a_pod_is_read_by_both_labels_and_their_tokens() -> None:
    labels, notes = {KEY: "leader", "role": "primary", "app": "x"}, {TOKEN: "7", "role.token": "8"}
    assert read(labels, notes) == pod("leader", 7, "primary", 8)
    assert read(labels, notes, PLAIN) == pod("leader", 7)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("1", 1),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, UNREADABLE),
        ("", UNREADABLE),
        ("0", UNREADABLE),
        ("07", UNREADABLE),
        ("-1", UNREADABLE),
        ("1e3", UNREADABLE),
        (" 1", UNREADABLE),
        ("\u0661", UNREADABLE),
    ],
)
def test_a_token_that_is_no_number_of_1_to_18_digits_is_beaten_by_none(text: str, token: int) -> None:
    assert read({KEY: "leader"}, {TOKEN: text}).token == token


@pytest.mark.parametrize(
    ("seen", "role", "token", "right"),
    [
        (pod("follower", 3, "replica"), Role.FOLLOWER, 0, True),
        (pod("follower", 0, ""), Role.FOLLOWER, 0, False),
        (pod("follower", 0, "primary"), Role.FOLLOWER, 0, False),
        (pod("", 0, "replica"), Role.FOLLOWER, 0, False),
        (pod("electing", 3, "replica"), Role.ELECTING, 3, True),
        (pod("electing", 3, "primary"), Role.ELECTING, 3, False),
        (pod("electing", 2, "replica"), Role.ELECTING, 3, False),
        (pod("leader", 3, "primary", 3), Role.LEADER, 3, True),
        (pod("leader", 3, "primary", 2), Role.LEADER, 3, False),
        (pod("leader", 3, "replica", 3), Role.LEADER, 3, False),
        (pod("leader", 2, "primary", 3), Role.LEADER, 3, False),
    ],
)
def test_a_pod_is_right_when_all_its_labels_say_so(seen: Pod, role: Role, token: int, *, right: bool) -> None:
    assert is_right(BOTH, seen, role, token) is right


@pytest.mark.parametrize(
    ("role", "token", "labels", "annotations"),
    [
        (Role.LEADER, 5, {KEY: "leader", "role": "primary"}, {TOKEN: "5", "role.token": "5"}),
        (Role.ELECTING, 5, {KEY: "electing", "role": "replica"}, {TOKEN: "5", "role.token": "5"}),
        (Role.FOLLOWER, None, {KEY: "follower", "role": "replica"}, {}),
        (Role.FOLLOWER, 0, {KEY: "follower", "role": "replica"}, {TOKEN: None, "role.token": None}),
    ],
)
def test_one_write_sets_both_labels_of_the_own_pod(
    role: Role, token: int | None, labels: dict[str, str], annotations: dict[str, str | None]
) -> None:
    changes = own_changes(BOTH, role, token)
    assert (changes.labels, changes.annotations) == (labels, annotations)


@pytest.mark.parametrize(
    ("peer", "labels"),
    [
        (pod("leader", 1, "primary", 1), {KEY: "follower", "role": "replica"}),
        (pod("electing", 1, "replica", 1), {KEY: "follower"}),
        (pod("follower", 1, "primary", 1), {"role": "replica"}),
        (pod("leader", 1, "other", 1), {KEY: "follower"}),
    ],
)
def test_a_strip_touches_only_labels_that_lead_each_with_its_token(peer: Pod, labels: dict[str, str]) -> None:
    changes = strip_changes(BOTH, peer, 4)
    assert changes.labels == labels
    assert changes.annotations == {f"{key}.token": "4" for key in labels}


@pytest.mark.parametrize(
    ("peer", "token"),
    [
        (pod("leader", 5, "primary", 9), 9),
        (pod("leader", 5, "replica", 9), 5),
        (pod("follower", 5, "primary", 3), 3),
        (pod("electing", 5, "", 0), 5),
    ],
)
def test_a_peer_is_as_high_as_the_tokens_that_a_strip_would_replace(peer: Pod, token: int) -> None:
    assert token_to_beat(BOTH, peer) == token


def test_a_pod_with_the_users_label_alone_is_foreign_and_bears_no_lead() -> None:
    stranger = pod("", 0, "primary")
    assert is_foreign(stranger)
    assert not bears_lead(BOTH, stranger)
    assert bears_lead(BOTH, pod("follower", 0, "primary"))
    assert not bears_lead(PLAIN, pod("follower"))


def test_selectors_name_who_leads_or_is_about_to() -> None:
    assert leading_selector(PLAIN) == "leader-sidecar/e in (leader,electing)"
    assert extra_selector(EXTRA) == "role=primary"
