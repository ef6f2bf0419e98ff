"""The log: JSON lines or a readable form, RFC 3339 times, facts kept, other libraries quiet."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from sidecar import logs

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("sidecar")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers[:], own.level = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(False)


def logged(log_format: str, log_level: str, say: Callable[[logging.Logger], None]) -> str:
    stream = io.StringIO()
    logs.configure(log_format, log_level, stream)
    say(logging.getLogger("sidecar.elector"))
    return stream.getvalue()


def test_a_json_line_has_time_level_logger_message_and_facts() -> None:
    line = logged("json", "info", lambda log: log.info("won %s", "ä", extra={"token": 7}))
    entry = json.loads(line)
    assert TIME.fullmatch(entry.pop("time"))
    assert entry == {"level": "INFO", "logger": "sidecar.elector", "message": "won ä", "token": 7}


def test_an_exception_stays_within_one_json_line() -> None:
    def fail(log: logging.Logger) -> None:
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("failed")

    line = logged("json", "info", fail)
    assert line.count("\n") == 1
    assert "ValueError: no" in json.loads(line)["exception"]


def test_the_console_form_shows_the_same_on_one_line() -> None:
    line = logged("console", "info", lambda log: log.warning("lost", extra={"reason": "expired"}))
    time, level, rest = line.split(maxsplit=2)
    assert TIME.fullmatch(time)
    assert (level, rest) == ("WARNING", "elector: lost  reason=expired\n")


def test_a_fact_cannot_forge_a_line_on_the_console() -> None:
    assert logged("console", "info", lambda log: log.info("x", extra={"leader": "a\nb"})).count("\n") == 1


@pytest.mark.parametrize(("level", "count"), [("debug", 3), ("info", 2), ("warning", 1)])
def test_the_level_counts_for_our_own_loggers(level: str, count: int) -> None:
    def say(log: logging.Logger) -> None:
        log.debug("d")
        log.info("i")
        log.warning("w")

    assert logged("json", level, say).count("\n") == count


def test_other_libraries_say_warnings_only_even_when_we_debug() -> None:
    def say(_: logging.Logger) -> None:
        logging.getLogger("urllib3.connectionpool").info("GET /secret")
        logging.getLogger("grpc").warning("trouble")

    assert [json.loads(line)["logger"] for line in logged("json", "debug", say).splitlines()] == ["grpc"]


def test_times_are_rfc_3339_in_utc() -> None:
    assert logs.rfc3339(0.0015) == "1970-01-01T00:00:00.001Z"
