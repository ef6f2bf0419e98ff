"""A user of the leader's Service: a new connection every few milliseconds, and what came of each."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REQUEST = b"GET / HTTP/1.1\r\nHost: leader\r\nConnection: close\r\n\r\n"
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0: no answer, and ``failure`` is the exception's name. Times are monotonic, in seconds."""

    sent: float
    done: float
    status: int
    pod: str = ""
    token: int = 0
    failure: str = ""


class Client:
    """``answers`` grows while ``asking`` holds, in the order in which requests ended."""

    def __init__(self, address: str, every_seconds: float) -> None:
        self._address, self._every_seconds = address, every_seconds
        self.answers: list[Answer] = []
        self.last_led: Answer | None = None
        """The leader's last answer."""
        self._stop = threading.Event()

    @contextlib.contextmanager
    def asking(self) -> Iterator["Client"]:
        thread = threading.Thread(target=lambda: asyncio.run(self._ask_on()), name="client")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def led(self) -> Sequence[Answer]:
        return [answer for answer in tuple(self.answers) if answer.status == 200]

    async def _ask_on(self) -> None:
        running: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._stop.is_set():
            task = asyncio.create_task(self._ask())
            running.add(task)
            task.add_done_callback(running.discard)
            due = max(due + self._every_seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        await asyncio.gather(*running)

    async def _ask(self) -> None:
        sent = time.monotonic()
        status, said, failure = 0, {}, ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(self._address, 80)
                try:
                    writer.write(REQUEST)
                    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                    status, said = int(head.split()[1]), json.loads(body)
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, IndexError) as error:
            status, said, failure = 0, {}, type(error).__name__
        answer = Answer(sent, time.monotonic(), status, said.get("pod", ""), said.get("token") or 0, failure)
        self.answers.append(answer)
        if status == 200:
            self.last_led = answer
