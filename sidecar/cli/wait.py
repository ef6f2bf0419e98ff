"""``leader-sidecar wait``: for entrypoints."""

import click

from sidecar.settings.build import setting_value
from sidecar.settings.declare import seconds
from sidecar.settings.surroundings import Surroundings


def _timeout(_context: click.Context, _option: click.Parameter, given: str | None) -> float | None:
    try:
        return None if given is None else seconds(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--sidecar", "address", metavar="HOST:PORT", help="The pod's sidecar. [default: localhost:4040]")
@click.option("--timeout", metavar="SECONDS", callback=_timeout, help="Give up after so long. [default: never]")
@click.option("--follower", is_flag=True, help="Wait until another pod is known to lead.")
def wait(address: str | None, timeout: float | None, follower: bool) -> int:
    """Waits until this pod leads, for entrypoints that begin with it.

    Exits 0 then, and 75 when the time is up. A sidecar that does not answer yet is waited for.
    """
    from sidecar.workload.exec.waiting import wait_until

    where = address or str(setting_value("listen", None, Surroundings.here()))
    return wait_until(where, follower=follower, timeout_seconds=timeout)
