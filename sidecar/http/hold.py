"""``/leader/hold``: the stream of events to which the lead is tied. It lasts as long as that leadership."""

from starlette.types import Receive, Scope, Send

from sidecar.clock import Clock
from sidecar.election.verdict import State, View
from sidecar.http.held import Held
from sidecar.http.leader import HEARTBEAT_SECONDS, Events, event
from sidecar.http.port import Election

LEAST_PAUSE_SECONDS = 0.1
_GOES_ON = (State.DRAINING, State.UNCONFIRMED)


class HoldEvents(Events):
    """Tells how it stands with the leadership that has this token, and ends after the event that it is over."""

    def __init__(self, election: Election, held: Held, clock: Clock, token: int) -> None:
        """Raises ``TooManyHolds``."""
        super().__init__(election, held)
        self._clock = clock
        self._token, self._hold = token, election.open_hold(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hold.let_go()

    async def _stream(self, receive: Receive, send: Send) -> None:
        sent: str | None = None
        async with self._held.hold(receive, lasting=True) as hold:
            hold.on_departure(self._hold.closed)  # also while an event cannot be sent
            while not hold.over:
                view = self._election.view()
                if view.token not in (None, self._token):
                    break  # led again meanwhile: the end of the stream says that this lead is over
                deadline = self._election.promise(view)
                await send(event("heartbeat" if view.version == sent else "state", view, deadline))
                if not self._lasts(view):
                    break
                sent = view.version
                await hold.change(self._election, sent, self._pause_seconds(deadline))

    def _pause_seconds(self, deadline: float | None) -> float:
        """The next deadline comes well before this one has passed: who holds need not ask besides."""
        if deadline is None:
            return HEARTBEAT_SECONDS
        return min(HEARTBEAT_SECONDS, max(LEAST_PAUSE_SECONDS, (deadline - self._clock.now()) / 2))

    def _lasts(self, view: View) -> bool:
        return view.token == self._token or view.state in _GOES_ON
