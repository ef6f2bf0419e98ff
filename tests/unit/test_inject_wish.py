"""What ``leader-sidecar inject`` takes and refuses is what the chart's policies take and refuse."""

from collections.abc import Iterable

import pytest

from sidecar.errors import SettingError
from sidecar.inject.wish import problems, read_wish
from tests.support.wishes import ACCEPTED_ELECTIONS, ASKED, KNOWN, REFUSED_ELECTIONS, Asked


def found(
    election: str = "e", annotations: dict[str, str] | None = None, selected: Iterable[str] = ()
) -> list[SettingError]:
    given = {f"leader-sidecar/{name}": value for name, value in (annotations or {}).items()}
    wish = read_wish({"leader-sidecar/inject": election}, given)
    assert wish is not None
    return list(problems(wish, given, frozenset(selected), "Pod/p", "leader-sidecar"))


def test_a_pod_without_the_label_wishes_for_nothing() -> None:
    assert read_wish({"app": "x"}, {"leader-sidecar/ttl": "10"}) is None


@pytest.mark.parametrize("election", ACCEPTED_ELECTIONS)
def test_an_election_s_name_is_taken(election: str) -> None:
    assert found(election) == []


@pytest.mark.parametrize("election", REFUSED_ELECTIONS)
def test_another_name_is_refused(election: str) -> None:
    [error] = found(election)
    assert error.setting == "Pod/p: label leader-sidecar/inject"
    assert error.value == election


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_annotations(asked: Asked) -> None:
    errors = found(annotations=asked.annotations)
    if asked.refused is None:
        assert errors == []
    else:
        [name] = asked.annotations
        assert {error.setting for error in errors} == {f"Pod/p: annotation leader-sidecar/{name}"}
        assert (asked.refused == KNOWN) == any("is not known" in error.mend for error in errors)


def test_a_token_s_annotation_is_nobody_s_wish() -> None:
    assert found(annotations={"e.token": "7"}) == []


@pytest.mark.parametrize("key", ["leader-sidecar/e", "role"])
def test_a_selector_by_a_label_that_changes_is_refused(key: str) -> None:
    [error] = found(annotations={"label": "role=primary/replica"}, selected=["app", key])
    assert error.value == key
    assert "orphan" in error.mend
