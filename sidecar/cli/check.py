"""``leader-sidecar check``: what is wrong, or will be, and how to mend it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from sidecar.cli.options import setting_options
from sidecar.errors import ExitCode
from sidecar.settings import DECLARATIONS, InvalidSettings, Surroundings, build
from sidecar.settings.build import Given

if TYPE_CHECKING:
    from sidecar.check.report import Report


@click.command(epilog="Beside a running sidecar, in its container, the flags that it was started with count, too.")
@click.option("--offline", is_flag=True, help="Look at manifests only: no etcd, no cluster.")
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="Manifests for --offline; - is stdin.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@setting_options(DECLARATIONS)
def check(offline: bool, files: tuple[str, ...], output: str, **flags: Given) -> int:
    """Looks at what a sidecar with these settings would meet: etcd, rights, policy, token, ports, clock, CPU.

    With --offline -f FILE at manifests: rollouts that stall, selectors, ports, settings. Each finding names its mend.
    Changes nothing. Exits 78 when it finds an error, else 0.
    """
    report = _of_files(files, flags) if offline else _of_here(files, flags)
    from sidecar.check.report import as_json, as_text

    click.echo(as_json(report) if output == "json" else as_text(report), nl=output == "json")
    return report.exit_code


def _of_files(files: tuple[str, ...], flags: Mapping[str, Given]) -> "Report":
    if not files:
        raise click.UsageError("--offline: name the manifests with -f FILE", click.get_current_context())
    given = [DECLARATIONS[name].flag for name, value in flags.items() if value not in (None, ())]
    if given:
        raise click.UsageError(
            f"{given[0]}: --offline takes the settings from the manifests", click.get_current_context()
        )
    from sidecar.check.offline import check_files

    return check_files(files)


def _of_here(files: tuple[str, ...], flags: Mapping[str, Given]) -> "Report":
    if files:
        raise click.UsageError("-f: is for --offline", click.get_current_context())
    from sidecar import logs
    from sidecar.check import live, machine
    from sidecar.check.manifests.told import flags_of_process
    from sidecar.check.report import Report
    from sidecar.check.settings import refused

    logs.configure("console", "error")
    beside = flags_of_process(machine.first_process())
    try:
        settings = build(
            {**beside, **{name: given for name, given in flags.items() if given not in (None, ())}}, Surroundings.here()
        )
    except InvalidSettings as invalid:
        if invalid.exit_code is ExitCode.USAGE:
            raise
        return Report(tuple(refused("settings", invalid.errors)), ("settings",), ("the rest: mend the settings first",))
    return live.check(settings)
