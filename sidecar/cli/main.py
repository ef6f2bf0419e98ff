"""The program: its commands, and how errors become one line and a sysexits code."""

import signal
import sys
from typing import NoReturn

import click

from sidecar.cli.check import check
from sidecar.cli.demo.command import demo
from sidecar.cli.exec import execute
from sidecar.cli.inject import inject
from sidecar.cli.resign import resign
from sidecar.cli.run import run
from sidecar.cli.status.command import status
from sidecar.cli.transfer import transfer
from sidecar.cli.wait import wait
from sidecar.errors import ExitCode, SettingError
from sidecar.settings import InvalidSettings

PROGRAM = "leader-sidecar"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
def cli() -> None:
    """Elects one leader per group of pods, on etcd's own lock recipe."""


cli.add_command(run)
cli.add_command(demo)
cli.add_command(resign)
cli.add_command(transfer)
cli.add_command(status)
cli.add_command(inject)
cli.add_command(check)
cli.add_command(execute)
cli.add_command(wait)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs one command and exits: 0, the command's code, or a sysexits code with one line for each error."""
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except InvalidSettings as invalid:
        for error in invalid.errors:
            _say(str(error))
        return invalid.exit_code
    except SettingError as error:
        _say(str(error))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as wanted:
        click.echo(wanted.ctx.get_help() if wanted.ctx else wanted.format_message(), err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        _say(f"{error.format_message().rstrip('.')} (see {_help_of(error)} --help)")
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else ExitCode.OK


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else PROGRAM


def _say(line: str) -> None:
    click.echo(f"{PROGRAM}: {line}", err=True)
