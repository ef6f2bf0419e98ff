"""``leader-sidecar resign``: asks the sidecar of this pod to give the lead up."""

import click

from sidecar.cli.options import setting_options
from sidecar.cli.post import post, say
from sidecar.errors import ExitCode


@click.command()
@click.option("--now", is_flag=True, help="The workload has stopped already: give the lead up without a drain.")
@setting_options(["listen"])
def resign(now: bool, listen: str | None) -> int:
    """Gives the lead up: the workload is told, the label goes off, then the lock goes to the next in the queue.

    Exits 0 once another may lead, 75 when this pod does not lead, 69 when its sidecar cannot be reached.
    """
    answer = post(listen, "/resign" if now else "/resign?drain")
    if answer is None:
        return ExitCode.UNAVAILABLE
    if answer.done:
        click.echo("resigned")
        return ExitCode.OK
    say(answer.detail)
    return ExitCode.TEMPORARY if answer.status == 409 else ExitCode.UNAVAILABLE
