"""An asyncio event loop in virtual time: idle time is jumped over, and a run depends on its seed alone."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TURNS_IN_ONE_INSTANT = 100_000
"""More turns of the loop than this without time moving on is a busy loop in the program under test."""


class Deadlock(Exception):
    """Everything waits, and no timer is left that could wake anything."""


class BusyLoop(Exception):
    """The program goes on turning without ever waiting for anything."""


class _Numbered:
    """Hashes by order of creation, so that sets of tasks are walked in the same order in every run.

    (asyncio keeps tasks in sets, and the default hash is the address.)
    """

    _number: int

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Future(_Numbered, asyncio.Future[Any]):
    def __init__(self, number: int, *, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)


class _Task(_Numbered, asyncio.Task[Any]):
    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self._number = number
        super().__init__(*args, **kwargs)


class VirtualLoop(asyncio.BaseEventLoop):
    """Has timers and callbacks, and no I/O at all. It is its own selector: to wait is to move the clock on."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._clock_resolution = 1e-9
        self._instant = 0.0
        self._turns = 0
        self._serial = itertools.count()
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        return self._instant

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(next(self._serial), loop=self)

    def _new_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return _Task(next(self._serial), coro, loop=loop, **kwargs)

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock(f"at {self._instant:.3f} s")
        before = self._instant
        self._instant += timeout
        self._turns = self._turns + 1 if self._instant == before else 0
        if self._turns > TURNS_IN_ONE_INSTANT:
            raise BusyLoop(f"at {self._instant:.3f} s")
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Called with what ``select`` returned: nothing, ever."""

    def _write_to_self(self) -> None:
        """Called to wake the selector from another thread: there is none."""


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end, then cancel what it left behind. Raises ``Deadlock`` or ``BusyLoop``."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        leftover = sorted(asyncio.all_tasks(loop), key=hash)
        for task in leftover:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True)) if leftover else None
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
