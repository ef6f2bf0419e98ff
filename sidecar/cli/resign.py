"""``leader-sidecar resign``: asks the sidecar of this pod to give the lead up."""

import click

from sidecar.cli.options import setting_options
from sidecar.errors import ExitCode
from sidecar.settings.build import setting_value
from sidecar.settings.surroundings import Surroundings

_PATIENCE_SECONDS = 60.0
"""Longer than any drain that makes sense; a sidecar that hangs is a failure to report, not to wait for."""


@click.command()
@click.option("--now", is_flag=True, help="The workload has stopped already: give the lead up without a drain.")
@setting_options(["listen"])
def resign(now: bool, listen: str | None) -> int:
    """Gives the lead up: the workload is told, the label goes off, then the lock goes to the next in the queue.

    Exits 0 once another may lead, 75 when this pod does not lead, 69 when its sidecar cannot be reached.
    """
    from http.client import HTTPConnection, HTTPException

    address = str(setting_value("listen", listen, Surroundings.here()))
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]") or "localhost", int(port), timeout=_PATIENCE_SECONDS)
    try:
        connection.request("POST", "/resign" if now else "/resign?drain")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        click.echo(f"leader-sidecar: no sidecar answers on {address}: {error}", err=True)
        return ExitCode.UNAVAILABLE
    finally:
        connection.close()
    return _result(answer.status, body)


def _result(status: int, body: bytes) -> int:
    if 200 <= status < 300:
        click.echo("resigned")
        return ExitCode.OK
    click.echo(f"leader-sidecar: {_detail(status, body)}", err=True)
    return ExitCode.TEMPORARY if status == 409 else ExitCode.UNAVAILABLE


def _detail(status: int, body: bytes) -> str:
    """What the problem document says, else the status."""
    import json

    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"the sidecar answered {status}"
