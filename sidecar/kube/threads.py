"""Blocking calls beside the event loop, each in a daemon thread of its own.

A call in a thread cannot be cancelled. As a daemon it holds up neither another call nor the end of the process, which
a thread pool would; whoever stops waiting for it leaves it in flight until it returns.
"""

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class TooManyCalls(Exception):
    """So many calls have not returned that no further one is begun."""


class Threads:
    """``at_most``: calls that never return must not pile up."""

    def __init__(self, name: str, at_most: int) -> None:
        self._name = name
        self._at_most = at_most
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Calls that have not returned, waited for or not."""
        return self._in_flight

    async def run(self, call: Callable[[], _T], timeout_seconds: float) -> _T:
        """The call's result, or what it raises. Raises ``TimeoutError``, ``TooManyCalls``, and ``RuntimeError`` where
        the system gives no thread.
        """
        if self._in_flight >= self._at_most:
            raise TooManyCalls(f"{self._in_flight} calls have not returned")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        threading.Thread(target=self._run, args=(call, loop, done), name=self._name, daemon=True).start()
        self._in_flight += 1
        async with asyncio.timeout(timeout_seconds):
            return await done

    def _run(self, call: Callable[[], _T], loop: asyncio.AbstractEventLoop, done: asyncio.Future[_T]) -> None:
        """In the thread."""
        try:
            result = call()
        except Exception as error:  # it is whoever waits who handles it
            self._tell(loop, done, functools.partial(done.set_exception, error))
        else:
            self._tell(loop, done, functools.partial(done.set_result, result))

    def _tell(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[_T], settle: Callable[[], None]) -> None:
        def returned() -> None:
            self._in_flight -= 1
            if not done.done():
                settle()

        try:
            loop.call_soon_threadsafe(returned)
        except RuntimeError:
            return  # the loop has closed: nobody waits any more
