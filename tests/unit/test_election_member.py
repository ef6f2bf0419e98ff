"""What a member key says."""

import pytest

from sidecar.election.member import Member, member_name, read_member, write_member


def test_a_member_reads_back_as_it_was_written() -> None:
    member = Member("pöd-0", "pod-0", "0f3a", "6b7f9c")
    assert read_member(write_member(member)) == member


def test_the_name_is_the_locks_taken_as_it_is_and_the_lease() -> None:
    assert member_name("/l//x", 0xA1) == "leader-sidecar.meta/member//l//x/a1"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"pod"', '{"identity": 7, "pod": null}'])
def test_what_cannot_be_read_is_empty(text: str) -> None:
    assert read_member(text) == Member("")


def test_fields_of_a_later_version_do_no_harm() -> None:
    assert read_member('{"identity": "a", "zone": "z"}') == Member("a")
