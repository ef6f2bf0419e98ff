"""``leader-sidecar transfer``: asks the sidecar of this pod to hand the lead over to a chosen candidate."""

import click

from sidecar.cli.options import setting_options
from sidecar.cli.post import post, say
from sidecar.errors import ExitCode

_EXIT_CODES = {404: ExitCode.USAGE, 409: ExitCode.TEMPORARY}


@click.command()
@click.argument("name")
@setting_options(["listen"])
def transfer(name: str, listen: str | None) -> int:
    """Hands the lead over to the candidate NAME, or to the one whose lease has NAME for its id.

    The workload is told and the label goes off first, as when it resigns.

    Exits 0 once that candidate is next, 64 when there is none of that name, 75 when this pod does not lead or cannot
    hand over to it, 69 when its sidecar cannot be reached.
    """
    answer = post(listen, "/transfer", {"to": name})
    if answer is None:
        return ExitCode.UNAVAILABLE
    if answer.done:
        click.echo(f"handed over to {name}")
        return ExitCode.OK
    say(answer.detail)
    return _EXIT_CODES.get(answer.status, ExitCode.UNAVAILABLE)
