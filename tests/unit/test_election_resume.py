"""What a run leaves for the next one, and when that one may take it up."""

import json
from dataclasses import replace

import pytest

from sidecar.election.candidate import Candidate
from sidecar.election.events import Phase
from sidecar.election.lease import Renewal
from sidecar.election.queue import Header, LockKey
from sidecar.election.resume import (
    Owner,
    Place,
    key_is_lost,
    lease_is_lost,
    not_for,
    place_of,
    read_place,
    write_place,
)

OWNER = Owner("/lock", "worker-0", "uid-0", "boot-0", 10)
PLACE = Place(OWNER, cluster_id=0xCDF818194E3A8C32, lease_id=0x694D, granted_seconds=10.0, create_revision=12)
RENEWAL = Renewal(0x694D, 10.0, 100.0, Header(0xCDF818194E3A8C32, 1, 20, 2))
KEY = LockKey("/lock/694d", 12, 12, 0x694D, "worker-0")
STANDING = Candidate("/lock", phase=Phase.WAITING, renewal=RENEWAL, revision=12)


@pytest.mark.parametrize("phase", Phase)
def test_a_place_is_left_by_whoever_waits_or_leads_and_by_nobody_who_gives_it_up(phase: Phase) -> None:
    place = place_of(replace(STANDING, phase=phase), OWNER)
    assert place == (PLACE if phase in (Phase.WAITING, Phase.LEADING) else None)


def test_without_a_session_or_a_key_there_is_no_place() -> None:
    assert place_of(replace(STANDING, renewal=None), OWNER) is None
    assert place_of(replace(STANDING, revision=None), OWNER) is None


@pytest.mark.parametrize("identity", ["worker-0", "größe", "\udcff by surrogate", 'with "quotes" and \n'])
def test_what_is_written_is_read_again(identity: str) -> None:
    place = replace(PLACE, owner=replace(OWNER, identity=identity))
    assert read_place(write_place(place)) == place


def test_no_time_is_written() -> None:
    later = replace(STANDING, renewal=replace(RENEWAL, sent_at=9e9), valid_until=9e9, confirmed_at=9e9)
    place = place_of(later, OWNER)
    assert place is not None
    assert write_place(place) == write_place(PLACE)


WRITTEN = json.loads(write_place(PLACE))


@pytest.mark.parametrize("field", WRITTEN)
@pytest.mark.parametrize("value", [None, [], {}, "", -1, False, 1.5, "zz", float("nan")], ids=repr)
def test_a_field_of_another_kind_is_damage_or_another_place_and_never_this_one(field: str, value: object) -> None:
    try:
        place = read_place(json.dumps(WRITTEN | {field: value}))
    except ValueError:
        return
    assert place != PLACE


@pytest.mark.parametrize("field", WRITTEN)
def test_a_field_that_is_missing_is_damage(field: str) -> None:
    with pytest.raises(ValueError, match=r"version|missing"):
        read_place(json.dumps({name: value for name, value in WRITTEN.items() if name != field}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "\x00" * 40, write_place(PLACE)[:-20]])
def test_what_is_not_whole_is_damage(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_place(text)


OTHERS = {
    "the pod's uid was 'uid-0'": replace(OWNER, pod_uid="uid-1"),
    "the lock was '/lock'": replace(OWNER, lock="/another"),
    "the identity was 'worker-0'": replace(OWNER, identity="worker-1"),
    "--ttl was 10": replace(OWNER, ttl_seconds=20),
    "the machine's boot was 'boot-0'": replace(OWNER, boot="boot-1"),
}


@pytest.mark.parametrize(("why", "owner"), OTHERS.items(), ids=OTHERS)
def test_only_the_sidecar_that_left_it_takes_a_place_up(why: str, owner: Owner) -> None:
    assert not_for(PLACE, owner) == why
    assert not_for(PLACE, OWNER) is None


@pytest.mark.parametrize(
    ("renewal", "why"),
    [
        (RENEWAL, None),
        (replace(RENEWAL, ttl_seconds=0.0), "the lease has ended"),
        (replace(RENEWAL, ttl_seconds=-1.0), "the lease has ended"),
        (
            replace(RENEWAL, header=replace(RENEWAL.header, cluster_id=0xABC)),
            "this is etcd cluster abc, and it was cdf818194e3a8c32",
        ),
    ],
)
def test_a_lease_is_taken_up_while_its_own_cluster_keeps_it(renewal: Renewal, why: str | None) -> None:
    assert lease_is_lost(PLACE, renewal) == why


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (KEY, None),
        (replace(KEY, mod_revision=19), None),  # Go's Proclaim rewrites values
        (None, "the key is gone"),
        (replace(KEY, create_revision=15), "the key was made anew, at revision 15 instead of 12"),
    ],
)
def test_a_place_stands_while_its_key_has_its_revision(key: LockKey | None, why: str | None) -> None:
    assert key_is_lost(PLACE, key) == why


def test_a_key_on_another_lease_is_lost() -> None:
    assert key_is_lost(PLACE, replace(KEY, lease_id=0)) is not None
