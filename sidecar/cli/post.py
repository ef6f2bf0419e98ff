"""Asks something of the sidecar of this pod, for the commands that do no more than that."""

from typing import NamedTuple

import click

from sidecar.settings.build import setting_value
from sidecar.settings.surroundings import Surroundings

_PATIENCE_SECONDS = 60.0
"""Longer than any drain that makes sense; a sidecar that hangs is a failure to report, not to wait for."""


class Answer(NamedTuple):
    """``detail`` is what the problem document says, else that there was this status."""

    status: int
    detail: str

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300


def post(listen: str | None, path: str, body: dict[str, str] | None = None) -> Answer | None:
    """One POST to the workload's listener; None where no sidecar answers, which has been said then.

    ``listen`` is the option as given. Raises ``SettingError`` when it is no address.
    """
    import json
    from http.client import HTTPConnection, HTTPException

    address = str(setting_value("listen", listen, Surroundings.here()))
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]") or "localhost", int(port), timeout=_PATIENCE_SECONDS)
    headers = {"Host": "localhost"}  # 0.0.0.0 is where to listen, and no name
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request("POST", path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, HTTPException) as error:
        say(f"no sidecar answers on {address}: {error}")
        return None
    finally:
        connection.close()
    return Answer(answer.status, _detail(answer.status, content))


def say(line: str) -> None:
    click.echo(f"leader-sidecar: {line}", err=True)


def _detail(status: int, body: bytes) -> str:
    import json

    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"the sidecar answered {status}"
