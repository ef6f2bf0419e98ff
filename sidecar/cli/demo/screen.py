"""The live view, drawn from the stage, and the keys that act on it."""

import asyncio
import contextlib
import sys
import termios
import tty
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sidecar.cli.demo.candidate import Candidate
from sidecar.cli.demo.stage import Stage

_REFRESH_SECONDS = 0.1
_STYLES = {"leading": "bold green", "waiting": "cyan", "frozen": "blue", "killed": "red"}
_KEYS = "k kill the leader   f freeze it, or thaw   r resign   q quit"


async def show(stage: Stage, lines: list[str]) -> None:
    """Draws until ``q`` is pressed. ``lines`` are what has been told so far; it grows."""
    keys: asyncio.Queue[str] = asyncio.Queue()
    # no thread of rich's own: children must be started by the main thread, and signals reach it
    with _keyboard(sys.stdin, keys), Live(console=Console(), auto_refresh=False) as live:
        while True:
            live.update(picture(stage, lines[-8:]), refresh=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS):
                    key = await keys.get()
                if key == "q":
                    return
                await act(stage, key, lines)


async def act(stage: Stage, key: str, lines: list[str]) -> None:
    """Does what a key stands for; other keys do nothing."""
    leader, frozen = stage.leader, stage.frozen
    if key == "f" and frozen:
        stage.thaw(frozen)
    elif key not in {"k", "f", "r"}:
        return
    elif leader is None:
        lines.append("nobody leads just now")
    elif key == "k":
        stage.kill(leader)
    elif key == "f":
        stage.freeze(leader)
    else:
        await stage.resign(leader)


def picture(stage: Stage, lines: list[str]) -> Group:
    table = Table(title="leader-sidecar demo", title_justify="left")
    for heading in ("candidate", "state", "queue", "token", "valid for"):
        table.add_column(heading, justify="left" if heading in {"candidate", "state"} else "right", min_width=9)
    for candidate in stage.candidates:
        table.add_row(*_row(candidate, leads=candidate is stage.leader))
    last = stage.handovers[-1] if stage.handovers else None
    handover = f"{last.seconds * 1000:.0f} ms, {last.loss.name} {last.loss.how} -> {last.to}" if last else "none yet"
    return Group(table, Text(f"last handover: {handover}"), Text(_KEYS, style="dim"), Text("\n".join(lines)))


def _row(candidate: Candidate, *, leads: bool) -> list[Text]:
    said = candidate.said
    position, token = said.get("position"), said.get("token")
    style = _STYLES.get(candidate.state, "")
    cells = [
        candidate.name,
        candidate.state,
        str(position) if position and not candidate.frozen else "",
        str(token) if leads else "",
        f"{candidate.valid_for_seconds * 1000:.0f} ms" if leads else "",
    ]
    return [Text(cell, style=style) for cell in cells]


@contextlib.contextmanager
def _keyboard(terminal: TextIO, keys: asyncio.Queue[str]) -> Iterator[None]:
    """Puts every key pressed into ``keys``; the terminal is as before when it ends."""
    loop, descriptor = asyncio.get_running_loop(), terminal.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, lambda: keys.put_nowait(terminal.read(1)))
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
