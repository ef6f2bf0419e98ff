"""``leader-sidecar status``: the command."""

import click

from sidecar.cli.options import setting_options
from sidecar.errors import ExitCode
from sidecar.settings import Surroundings
from sidecar.settings.build import setting_value


@click.command(epilog="Beside a running sidecar, in its container, the flags that it was started with count, too.")
@click.option("--all", "whole_queue", is_flag=True, help="The whole queue, as a table.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@setting_options(["listen"])
def status(whole_queue: bool, output: str, listen: str | None) -> int:
    """Shows whether this pod leads, for how long, its place in the queue, its label and its health.

    With --all the queue: position, name, role, label, token and validity of each. Labels are read from the Kubernetes
    API where this pod keeps one; a validity is only known of this pod itself.

    Exits 0 whoever leads; 69 when the sidecar cannot be reached or, with --all, when it cannot read the queue.
    """
    from sidecar.check.machine import first_process
    from sidecar.check.manifests.told import flags_of_process
    from sidecar.cli.status import show
    from sidecar.cli.status.ask import NoAnswer, ask_queue, ask_sidecar
    from sidecar.cli.status.labels import read_labels

    beside, here = flags_of_process(first_process()), Surroundings.here()
    address = str(setting_value("listen", listen or beside.get("listen"), here))
    try:
        pod = ask_sidecar(address)
        queue = ask_queue(address) if whole_queue else None
    except NoAnswer as error:
        click.echo(f"leader-sidecar: {error}", err=True)
        return ExitCode.UNAVAILABLE
    if queue is None:
        click.echo(show.pod_json(pod) if output == "json" else show.pod_text(pod))
        return ExitCode.OK
    labels, trouble = read_labels(beside, here, pod.election)
    if trouble:
        click.echo(f"leader-sidecar: labels: {trouble}", err=True)
    candidates = show.candidates(pod, queue, labels)
    click.echo(show.queue_json(pod, candidates) if output == "json" else show.queue_text(candidates))
    return ExitCode.OK
