"""The store that the examples write to, and what is asked of all of them."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.languages import LANGUAGES, TICK, Language, command
from tests.examples.pods import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as running:
        running.wait_until_ready()
        yield running


def ask(store: Store, path: str, method: str = "GET") -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(f"http://127.0.0.1:{store.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def test_every_tick_counts_one_up(store: Store) -> None:
    assert ask(store, "/tick?token=7", "POST") == (200, {"count": 1})
    assert ask(store, "/tick?token=7", "POST") == (200, {"count": 2})
    assert ask(store, "/tick?token=10", "POST") == (200, {"count": 3})
    assert ask(store, "/") == (200, {"count": 3, "highest_token": 10})
    assert store.tokens() == [7, 7, 10]


def test_once_a_higher_token_has_been_here_a_lower_one_changes_nothing(store: Store) -> None:
    ask(store, "/tick?token=10", "POST")
    assert ask(store, "/tick?token=9", "POST")[0] == 409
    assert ask(store, "/") == (200, {"count": 1, "highest_token": 10})
    assert (store.tokens(), store.refused()) == ([10], [9])


@pytest.mark.parametrize(
    "path", ["/tick", "/tick?token=", "/tick?token=x", "/tick?token=-1", "/tick?token=%C2%B2", "/7"]
)
def test_a_write_without_a_number_for_its_token_is_none(store: Store, path: str) -> None:
    assert ask(store, path, "POST")[0] == 404
    assert ask(store, "/") == (200, {"count": 0, "highest_token": 0})


def test_each_example_is_short_enough_to_be_read() -> None:
    for each in LANGUAGES.values():
        assert len((TICK / each.file).read_text().splitlines()) <= 60, each.file


LACKING = Language("tick.none", ("no-such-program",), ())


def test_a_language_that_this_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-program"):
        command(LACKING, tmp_path)


def test_in_ci_none_may_be_lacking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no no-such-program"):
        command(LACKING, tmp_path)


def test_each_example_has_its_way_to_be_run() -> None:
    assert {each.file for each in LANGUAGES.values()} == set(os.listdir(TICK)) - {"store.py"}
