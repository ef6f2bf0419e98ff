"""Fuzzing a sidecar from its own OpenAPI document: every operation, with data that fits it and data that does not."""

import math
from collections.abc import Iterator
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

LONGEST_WAIT_SECONDS = 0.05
"""A long poll that would wait longer is asked to wait so long instead: time is not what is fuzzed."""

STREAMS = {"/leader/watch", "/leader/hold"}
"""A GET of these never ends, so only their HEAD is fuzzed."""


LOSING = {("POST", "/resign"), ("POST", "/transfer")}
"""Operations that are meant to lose something."""


_REJECTED = ("400", "404", "405", "409", "415", "422", "428", "5xx")

_CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            # 412 and 428, like 404 and 409, may be about the value that stands there, not about the request's form
            "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "412", "428", "5xx"]},
            # 412: an ETag that is none of ours matches nothing
            "negative_data_rejection": {"expected-statuses": [*_REJECTED, "412"]},
            "missing_required_header": {"expected-statuses": ["428"]},
        }
    }
)


def fuzz(base_url: str, *, examples: int, losing: bool) -> set[tuple[str, str]]:
    """Ask each operation ``examples`` times in each mode; the method and path of those asked.

    Each answer must be one that the document describes: its status, type, headers and body. That leaves no 5xx but the
    documented 503s. With ``losing`` only the operations in ``LOSING`` are asked, without it only the others.
    """
    document = schemathesis.openapi.from_url(f"{base_url}/openapi.json", config=_CONFIG)
    asked = set()
    with requests.Session() as session:
        for operation in _operations(document):
            method = operation.method.upper()
            if (method == "GET" and operation.path in STREAMS) or ((method, operation.path) in LOSING) is not losing:
                continue
            _fuzz_operation(operation, GenerationMode.POSITIVE, examples, session)
            if operation.path_parameters or operation.query or operation.body:  # else nothing could be wrong
                _fuzz_operation(operation, GenerationMode.NEGATIVE, examples, session)
            asked.add((method, operation.path))
    return asked


def _operations(document: Any) -> Iterator[Any]:
    for result in document.get_all_operations():
        yield result.ok()


def _fuzz_operation(operation: Any, mode: GenerationMode, examples: int, session: requests.Session) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        _shorten_wait(case)
        # a follower's 503 is an answer like others; that it is a documented one is checked
        case.call_and_validate(session=session, timeout=10, excluded_checks=[not_a_server_error])

    ask()


def _shorten_wait(case: Any) -> None:
    query = case.query or {}
    try:
        wait = float(query["wait"])
    except (KeyError, TypeError, ValueError):
        return
    if math.isfinite(wait) and wait > LONGEST_WAIT_SECONDS:
        query["wait"] = LONGEST_WAIT_SECONDS
