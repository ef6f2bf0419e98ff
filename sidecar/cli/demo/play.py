"""Runs the demo: rounds of killing the leader, a live view, or without a terminal a log of who leads."""

import asyncio
import importlib.util
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from sidecar.cli.demo.child import DemoFailed
from sidecar.cli.demo.stage import Handover, Stage
from sidecar.errors import ExitCode

_START_SECONDS = 60.0
_HANDOVER_SECONDS = 30.0


def play(rounds: int | None) -> int:
    """The exit code: 0, 69 when it failed, 128 + signal when rounds were interrupted. Leaves nothing behind."""
    interrupted: list[int] = []
    code: int = ExitCode.OK
    try:
        asyncio.run(_play(rounds, interrupted))
    except* DemoFailed as failures:
        click.echo(f"leader-sidecar: demo: {_first(failures)}", err=True)
        code = ExitCode.UNAVAILABLE
    except* asyncio.CancelledError:
        code = 128 + interrupted[0] if rounds and interrupted else ExitCode.OK
    return code


def round_line(number: int, handover: Handover) -> str:
    return f"round {number}: {handover.loss.name} -> {handover.to} {handover.seconds:.2f} s"


def summary_line(seconds: Sequence[float]) -> str:
    rounds = "1 round" if len(seconds) == 1 else f"{len(seconds)} rounds"
    least, middle, most = min(seconds), statistics.median(seconds), max(seconds)
    return f"{rounds}: fastest {least:.2f} s, median {middle:.2f} s, slowest {most:.2f} s"


async def _play(rounds: int | None, interrupted: list[int]) -> None:
    _cancel_on_signals(interrupted)
    live = rounds is None and sys.stdin.isatty() and sys.stdout.isatty()
    if live and importlib.util.find_spec("rich") is None:
        click.echo("no live view: pip install 'leader-sidecar[demo]'", err=True)
        live = False
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="leader-sidecar-demo-") as directory:
        stage = Stage(Path(directory), lines.append if live else click.echo)
        try:
            await stage.open()
            async with asyncio.TaskGroup() as group:
                with stage.watched(group):
                    await _perform(stage, rounds, lines, live=live)
        finally:
            stage.close()


async def _perform(stage: Stage, rounds: int | None, lines: list[str], *, live: bool) -> None:
    if rounds is not None:
        await _rounds(stage, rounds)
    elif live:
        from sidecar.cli.demo.screen import show

        await show(stage, lines)
    else:
        click.echo("no terminal: this is a log, end it with Ctrl-C")
        await asyncio.Event().wait()


async def _rounds(stage: Stage, rounds: int) -> None:
    for number in range(1, rounds + 1):
        await stage.all_queued(_START_SECONDS)
        leader = stage.leader
        if leader is None:
            raise DemoFailed("the leader went by itself")
        stage.kill(leader)
        click.echo(round_line(number, await stage.handover(_HANDOVER_SECONDS)))
    click.echo(summary_line([handover.seconds for handover in stage.handovers]))


def _cancel_on_signals(interrupted: list[int]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop(number: int) -> None:
        interrupted.append(number)
        if task:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)


def _first(failures: BaseExceptionGroup[DemoFailed]) -> DemoFailed:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
