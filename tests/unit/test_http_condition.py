"""Which revision a request names: ETags are compared as they are written, and what names none is refused."""

import pytest
from starlette.exceptions import HTTPException

from sidecar.election.state import ABSENT
from sidecar.http.condition import NEVER, etag, shows_current, wanted_revision


def test_the_etag_of_a_revision_names_it() -> None:
    assert wanted_revision([etag(17)], [], may_create=False) == 17


@pytest.mark.parametrize(
    "tag",
    [
        'W/"17"',  # RFC 9110, 13.1.1: the strong comparison
        '"017"',
        '"+17"',
        '"0"',  # else a value that is not there would match it
        '"-1"',
        '""',
        '"abc"',
        '"\u00b2"',
        f'"{2**63}"',
        '"' + "9" * 5000 + '"',
    ],
)
def test_an_etag_that_is_none_of_ours_matches_nothing(tag: str) -> None:
    assert wanted_revision([tag], [], may_create=True) == NEVER


def test_the_largest_revision_of_etcd_is_one_of_ours() -> None:
    assert wanted_revision([etag(2**63 - 1)], [], may_create=True) == 2**63 - 1


@pytest.mark.parametrize("lines", [["*"], [" * "]])
def test_a_put_where_nothing_may_be_creates(lines: list[str]) -> None:
    assert wanted_revision([], lines, may_create=True) == ABSENT


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "may_create"),
    [
        ([], [], True),
        ([], [], False),
        (["*"], [], True),  # a late repeat of it would go through
        (["*"], [], False),
        ([], ['"17"'], True),  # any value but that one
        ([], ["*, *"], True),
        ([], ["*"], False),
        (["*"], ["*"], True),
    ],
)
def test_a_write_that_names_no_revision_is_told_to(
    if_match: list[str], if_none_match: list[str], may_create: bool
) -> None:
    with pytest.raises(HTTPException) as refused:
        wanted_revision(if_match, if_none_match, may_create=may_create)
    assert refused.value.status_code == 428
    assert "If-Match" in refused.value.detail
    assert ("If-None-Match" in refused.value.detail) is may_create


@pytest.mark.parametrize(("if_none_match", "revision"), [(["*"], NEVER), (['"17"'], NEVER), (['"18"'], 17)])
def test_both_conditions_must_hold(if_none_match: list[str], revision: int) -> None:
    assert wanted_revision(['"17"'], if_none_match, may_create=True) == revision


@pytest.mark.parametrize(
    "lines", [[""], ["17"], ['"17'], ['"17", "18"'], ['"17"', '"18"'], ['"17" x'], ['"1 7"'], ['w/"17"'], ['*, "17"']]
)
def test_a_condition_that_cannot_be_understood_is_refused(lines: list[str]) -> None:
    with pytest.raises(HTTPException) as refused:
        wanted_revision(lines, ["*"], may_create=True)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    ("lines", "current"),
    [
        ([], False),
        (['"17"'], True),
        (['W/"17"'], True),
        (['"16", "17"'], True),
        (['"16"', '"17"'], True),
        (["*"], True),
        (['"16"'], False),
        (['"017"'], False),
        (["17"], False),
        (['"1,17"'], False),
    ],
)
def test_a_reader_has_a_value_that_one_of_its_etags_names(lines: list[str], current: bool) -> None:
    assert shows_current(lines, 17) is current
