"""Carries the news to the webhooks, one request at a time, each again until it is answered or out of date.

Of several news the latest counts. That the lead went is sent at once: a request that tells of its beginning is broken
off. That it came waits for a request that still tells of an end, so that no end comes after the next beginning.
"""

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sidecar.election.verdict import State, Transition
from sidecar.metrics import Metrics
from sidecar.workload.tell.news import News, What, news_at_start, news_of
from sidecar.workload.tell.port import Compose, Election
from sidecar.workload.tell.post import Hook, HookError, NobodyListens

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.1, 2.0

Post = Callable[[Hook, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Delivery:
    """``finished``: whether the workload is known to have finished; only for the end of a lead."""

    news: News
    finished: asyncio.Future[bool]

    def settle(self, *, finished: bool) -> None:
        if not self.finished.done():
            self.finished.set_result(finished)


class Hooks:
    """``run`` until cancelled, and ``note`` each transition. ``post`` raises ``HookError``.

    ``answer_seconds`` bounds each request, and all of those together that tell of an end.
    """

    def __init__(
        self,
        election: Election,
        compose: Compose,
        hooks: Mapping[What, Hook],
        post: Post,
        *,
        answer_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._election, self._compose, self._hooks, self._post = election, compose, hooks, post
        self._answer_seconds, self._metrics = answer_seconds, metrics
        self._latest: _Delivery | None = None
        self._end: _Delivery | None = None
        self._ring = asyncio.Event()
        self._request: asyncio.Task[None] | None = None
        self._said: dict[What, str] = {}

    def note(self, transition: Transition) -> None:
        """Called with each transition as it happens."""
        if transition.from_state is State.DRAINING and self._end is not None:
            self._end.settle(finished=False)  # the key has gone: nothing waits for the workload any more
        news = news_of(transition)
        if news is not None:
            self._take(news)

    def _take(self, news: News) -> None:
        self._latest = _Delivery(news, asyncio.get_running_loop().create_future())
        self._ring.set()
        if news.what is What.LOST:
            self._end = self._latest
            if self._request is not None:
                self._request.cancel()

    async def finish(self) -> bool | None:
        """After the lead went: whether the workload has finished, once known; None where it is not asked. Bounded."""
        if self._end is None or What.LOST not in self._hooks:
            return None
        return await asyncio.shield(self._end.finished)

    async def run(self) -> None:
        await self._take_first()
        while True:
            await self._ring.wait()
            self._ring.clear()
            if self._latest is not None:
                await self._carry(self._latest)

    async def _take_first(self) -> None:
        while self._latest is None:
            view = self._election.view()
            news = news_at_start(view)
            if news is not None and self._latest is None:
                self._take(news)
                return
            await self._election.changed(view.version)

    async def _carry(self, delivery: _Delivery) -> None:
        hook, finished = self._hooks.get(delivery.news.what), False
        try:
            if hook is not None:
                finished = await self._deliver(hook, delivery.news)
        finally:
            delivery.settle(finished=finished)

    async def _deliver(self, hook: Hook, news: News) -> bool:
        """Whether it was answered as it should be, before it was out of date."""
        now = asyncio.get_running_loop().time
        until = now() + self._answer_seconds if news.what is What.LOST else math.inf
        pause_seconds = FIRST_RETRY_SECONDS
        while (left := until - now()) > 0 and not self._ring.is_set():
            if await self._attempt(hook, news, min(left, self._answer_seconds)):
                self._said.pop(news.what, None)
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause_seconds, max(0.0, until - now()))):
                    await self._ring.wait()
            pause_seconds = min(LAST_RETRY_SECONDS, pause_seconds * 2)
        return False

    async def _attempt(self, hook: Hook, news: News, timeout_seconds: float) -> bool:
        body = self._body(news)
        if body is None:
            return False
        request = self._request = asyncio.ensure_future(self._post(hook, body))
        try:
            await asyncio.wait({request}, timeout=timeout_seconds)
        finally:
            self._request = None
            request.cancel()
            await asyncio.wait({request})
        if request.cancelled():
            if not self._ring.is_set():
                self._fail(news, f"{hook.url} was not answered within {timeout_seconds:.1f} s")
            return False
        try:
            request.result()
        except NobodyListens as error:
            if news.what is What.LOST:
                return True
            self._fail(news, str(error))
            return False
        except HookError as error:
            self._fail(news, str(error))
            return False
        return True

    def _body(self, news: News) -> bytes | None:
        """Made anew for each request, since a deadline runs out; None when the lead has gone that it would tell of."""
        view = self._election.view()
        if news.what is What.LOST:
            body = self._compose(view, None) | {"token": news.token}
        elif view.token != news.token:
            return None
        else:
            body = self._compose(view, self._election.promise(view))
        return json.dumps({"event": news.what} | body).encode()

    def _fail(self, news: News, reason: str) -> None:
        kind = f"on_{news.what}"
        self._metrics.failures.labels(kind).inc()
        if self._said.get(news.what) != reason:
            self._said[news.what] = reason
            log.warning("--on-%s: %s", news.what, reason, extra={"kind": kind})
