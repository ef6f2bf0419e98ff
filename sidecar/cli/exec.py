"""``leader-sidecar exec``: a command that runs only while this pod leads."""

from pathlib import Path
from typing import Any

import click

from sidecar.cli.options import setting_options
from sidecar.errors import ExitCode, SettingError
from sidecar.settings import DECLARATIONS, Settings, Surroundings, build
from sidecar.workload.exec.wish import OnExit, refuse


@click.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
    epilog="Exits with COMMAND's code, 128 + N when signal N ended it; 126 or 127 when it cannot be run.",
)
@click.option("--sidecar", "address", metavar="HOST:PORT", help="Ask the sidecar there; no other setting is needed.")
@click.option(
    "--on-exit",
    type=click.Choice([mode.value for mode in OnExit]),
    default=OnExit.EXIT.value,
    help="When COMMAND ends by itself: give the lead up and stand in line again, give it up and exit with COMMAND's "
    "code, or keep it and start COMMAND again. [default: exit]",
)
@click.option("--suspend", is_flag=True, help="Without the lead stop COMMAND by STOP, and go on by CONT.")
@click.option(
    "--deadline-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where COMMAND finds the current deadline. [default: a file in memory]",
)
@click.argument("command", metavar="COMMAND...", nargs=-1, type=click.UNPROCESSED)
@setting_options(DECLARATIONS)
def execute(
    address: str | None, on_exit: str, suspend: bool, deadline_file: Path | None, command: tuple[str, ...], **flags: Any
) -> int:
    """Runs COMMAND only while this pod leads.

    It is started on winning, with LEADER_SIDECAR_TOKEN, LEADER_SIDECAR_ELECTION, LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS
    and LEADER_SIDECAR_DEADLINE_FILE in its environment. When the lead goes it gets TERM, and is dead before anybody
    else may lead. Takes every option of run, or --sidecar to use a sidecar that runs in this pod already.
    """
    if address is not None:
        given = sorted(DECLARATIONS[name].flag for name, value in flags.items() if value not in (None, ()))
        if given:
            raise SettingError("--sidecar", address, f"leave out {', '.join(given)}: that is the sidecar's to know")
    settings = build(flags, Surroundings.here()) if address is None else None
    refused = refuse(command)
    if refused is not None:
        return refused
    mode = OnExit(on_exit)
    if settings is None:
        from sidecar.workload.exec.client import run_client

        return run_client(command, address=str(address), on_exit=mode, suspends=suspend, deadline_path=deadline_file)
    return _stand_for_election(settings, command, mode, suspends=suspend, deadline_path=deadline_file)


def _stand_for_election(
    settings: Settings, command: tuple[str, ...], on_exit: OnExit, *, suspends: bool, deadline_path: Path | None
) -> int:
    from sidecar.workload.exec.course import Course
    from sidecar.workload.exec.deadlines import NS
    from sidecar.workload.exec.guard import post_guard
    from sidecar.workload.exec.note import deadline_file

    if settings.native:
        mend = "leave it out: exec ends its command itself, before the lock goes"
        raise SettingError("--native", True, mend, exit_code=ExitCode.USAGE)
    if settings.state_dir is not None:
        mend = "leave it out: COMMAND ends with exec, so there is nothing that a next run could go on with"
        raise SettingError("--state-dir", str(settings.state_dir), mend, exit_code=ExitCode.USAGE)
    with deadline_file(deadline_path) as note:
        guard = post_guard(command, suspends=suspends, tidy=note.remove)  # before what follows is imported

        from sidecar import logs
        from sidecar.service import serve
        from sidecar.workload.exec.own import DRAIN_RATIO, OwnCommand

        logs.configure(settings.log_format, settings.log_level)
        drain_seconds = settings.drain_timeout_seconds
        course = Course(on_exit, suspends, drain_ns=int(drain_seconds * DRAIN_RATIO * NS))
        return serve(settings, OwnCommand(course, guard, note, drain_seconds=drain_seconds))
