"""Wiring: what a running sidecar is made of, the order in which it starts, and the order in which it leaves."""

import asyncio
import logging
import signal
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from sidecar import __version__
from sidecar.clock import SystemClock
from sidecar.election.lease import Renewal, attempt_seconds
from sidecar.election.member import write_member
from sidecar.election.verdict import Reason
from sidecar.elector.elector import Elector
from sidecar.elector.session import Session
from sidecar.errors import AuthenticationFailed, EtcdError, ExitCode, KubeError, PermissionDenied, SettingError
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.store import EtcdStore
from sidecar.http.server import HttpServer
from sidecar.metrics import Metrics
from sidecar.pod import READ_SECONDS, OwnPod
from sidecar.settings import Settings, cautions, cpu_quota_cores, read_etcd_password
from sidecar.succession import Succession, member_of
from sidecar.vitals import Vitals

if TYPE_CHECKING:
    from sidecar.resumption import Resumption
    from sidecar.told import Told
    from sidecar.workload.exec.own import OwnCommand
    from sidecar.workload.health.checker import Checker

log = logging.getLogger(__name__)

NATIVE_SECONDS = 1.5
"""What a native sidecar takes at most to leave: after the workload kubelet may leave it two seconds."""
RELEASE_SECONDS = 0.25
"""What of that is kept for deleting the key."""
LAST_CALLS_SECONDS = 1.0
"""What is left at the end, after the lock has gone: revoking the lease, ending open streams."""


def serve(settings: Settings, command: "OwnCommand | None" = None) -> int:
    """Run the sidecar until it is told to stop; the exit code. ``command`` is what runs while this process leads.

    Raises ``SettingError`` for what only shows now: a port in use, a certificate that cannot be read, a wrong password.
    """
    return asyncio.run(Service(settings, command).run())


class _CommandedElector(Elector):
    """Our own command tells when the workload has finished: nobody else can say so in its stead."""

    async def resign(self, *, drain: bool) -> None:
        await super().resign(drain=True)

    def end_lead(self, token: int, reason: Reason, *, drain: bool) -> None:
        super().end_lead(token, reason, drain=True)


class Service:
    def __init__(self, settings: Settings, command: "OwnCommand | None" = None) -> None:
        self._settings, self._command = settings, command
        self._clock, self._metrics, self._random = SystemClock(), Metrics(), SystemRandom()
        random = self._random
        self._metrics.build.info({"version": __version__})
        self._store = EtcdStore(_etcd_settings(settings), self._clock, self._metrics)
        self._session = Session(
            self._store, ttl_seconds=settings.ttl_seconds, clock=self._clock, random=random, metrics=self._metrics
        )
        self._resumption = self._make_resumption()
        self._elector = self._make_elector(random)
        self._pod = self._make_pod(random)
        self._told = self._make_told()
        self._checker = self._make_checker()
        self._succession = Succession(settings, self._elector, self._clock) if settings.follow_rollout else None
        self._vitals = Vitals(
            self._elector,
            self._pod.labeler if self._pod else None,
            self._pod.router if self._pod else None,
            settings.ttl_seconds,
        )
        self._http = HttpServer(
            settings.listen, settings.probe_listen, self._elector, self._vitals, self._metrics, self._clock
        )

    def _make_elector(self, random: Random) -> Elector:
        settings = self._settings
        return (Elector if self._command is None else _CommandedElector)(
            election=settings.election,
            lock=settings.lock(settings.election),
            identity=settings.identity,
            store=self._store,
            session=self._session,
            clock=self._clock,
            random=random,
            metrics=self._metrics,
            max_promise_seconds=settings.max_promise_seconds,
            drain_seconds=settings.drain_timeout_seconds,
            tell=self._tell,
            describe=self._describe,
            hold_off_seconds=settings.hold_off_seconds,
            out_for=None if settings.health_check is None else Reason.UNHEALTHY,
            memory=self._resumption.memory if self._resumption else None,
        )

    def _make_resumption(self) -> "Resumption | None":
        if self._settings.state_dir is None:
            return None
        from sidecar.resumption import Resumption

        return Resumption(self._settings, self._settings.state_dir)

    def _make_pod(self, random: Random) -> OwnPod | None:
        if not self._settings.labels:
            log.info("labels are off: this is no pod, or --no-labels was given")
        if not self._settings.labels and not self._settings.route:
            return None
        return OwnPod(self._settings, self._elector, clock=self._clock, random=random, metrics=self._metrics)

    def _make_told(self) -> "Told | None":
        settings = self._settings
        if settings.leader_file is None and settings.on_elected is None and settings.on_lost is None:
            return None
        from sidecar.told import Told

        return Told(settings, self._elector, self._metrics)

    def _make_checker(self) -> "Checker | None":
        if self._settings.health_check is None:
            return None
        from sidecar.checked import make_checker

        return make_checker(self._settings, self._elector, self._clock, self._metrics)

    async def run(self) -> int:
        self._introduce()
        self._http.bind()
        if self._told is not None:
            self._told.open()
        told_to_stop = self._listen_to_signals()
        try:
            async with asyncio.TaskGroup() as group:
                http = group.create_task(self._http.serve(), name="http")
                elector = group.create_task(self._elector.run(), name="elector")
                pod = group.create_task(self._keep_pod(), name="pod")
                told = group.create_task(self._tell_on(), name="told")
                command = group.create_task(self._run_command(), name="command")
                session = group.create_task(self._join(), name="session")
                health = group.create_task(self._watch_health(), name="health")
                memory = group.create_task(self._remember(), name="memory")
                succession = group.create_task(self._follow_rollout(), name="succession")
                await told_to_stop.wait()
                log.info("told to stop")
                succession.cancel()
                health.cancel()
                await self._leave(session, pod)
                await self._end_telling(told)
                elector.cancel()
                memory.cancel()
                await self._end_command(command)
                await self._http.stop(LAST_CALLS_SECONDS)
                await http
        except* (AuthenticationFailed, PermissionDenied) as refused:
            raise self._name_setting(refused) from refused
        finally:
            await self._store.close()
            if self._pod is not None:
                self._pod.close()
            if self._succession is not None:
                self._succession.close()
        log.info("stopped")
        return ExitCode.OK if self._command is None else self._command.code()

    async def _tell_on(self) -> None:
        if self._told is not None:
            await self._told.run()

    async def _end_telling(self, telling: asyncio.Task[None]) -> None:
        if self._told is not None:
            await self._told.end()
        telling.cancel()

    def _listen_to_signals(self) -> asyncio.Event:
        """The event of having been told to stop: by a signal, or by the command's own end."""
        if self._command is not None:
            return self._command.listen_to_signals()
        told_to_stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
        return told_to_stop

    async def _run_command(self) -> None:
        if self._command is not None:
            await self._command.run(self._elector)

    async def _end_command(self, following: asyncio.Task[None]) -> None:
        """It may still run off the grace of a lead that was lost before."""
        if self._command is not None:
            await self._command.end()
        following.cancel()

    async def _watch_health(self) -> None:
        if self._checker is not None:
            await self._checker.run()

    async def _keep_pod(self) -> None:
        if self._pod is None:
            return
        if self._resumption is not None and await self._resumption.settle(self._elector):
            self._pod.carry_on()
        await self._pod.run()

    async def _remember(self) -> None:
        if self._resumption is not None:
            await self._resumption.run()

    async def _join(self) -> None:
        """Resume the place that an earlier run left; else put right what it left on the pod, and then stand in line."""
        if self._resumption is not None:
            renewal = await self._resumption.take_up(self._store, self._clock, self._random)
            if renewal is not None:
                await self._go_on(renewal)
        if self._pod is not None:
            await self._pod.wait_initialised()
        if self._succession is not None:
            await self._succession.learn()
        await self._session.run()

    async def _go_on(self, renewal: Renewal) -> None:
        """As the run before: it stands in line already, so nothing is waited for."""
        self._elector.inherit()
        if self._checker is not None:
            self._checker.carry_on()
        async with asyncio.TaskGroup() as group:
            if self._succession is not None:
                group.create_task(self._succession.learn(), name="revision")
            await self._session.run(renewal)

    async def _follow_rollout(self) -> None:
        if self._succession is not None:
            await self._succession.run()

    def _describe(self) -> str:
        """The value of the member key."""
        return write_member(member_of(self._settings)) if self._succession is None else self._succession.describe()

    async def _leave(self, session: asyncio.Task[None], pod: asyncio.Task[None]) -> None:
        """Leads no more -> workload told, label off -> its finish -> the key released -> the lease given back.

        The route is left to the successor, who writes it when the key is released. As a native sidecar, told to stop
        after the workload: the key at once, and the label stays, since a Service uses a terminating endpoint while it
        has no other. Told to stop alone: everything stays as it is.
        """
        bound, drain, began = self._settings.drain_timeout_seconds, True, self._clock.now()
        heir_seconds = LAST_CALLS_SECONDS
        route_seconds = self._settings.route_grace_seconds + LAST_CALLS_SECONDS
        if self._settings.native:
            if not await self._may_release():
                log.warning("the workload still runs: leaving with the lock and the label as they are")
                session.cancel()
                pod.cancel()
                return
            if self._pod is not None:
                self._pod.leave_label()
            bound, drain = NATIVE_SECONDS - (self._clock.now() - began), False
            heir_seconds = min(READ_SECONDS, bound - RELEASE_SECONDS)
        try:
            async with asyncio.timeout(bound):
                heir = await self._succession.heir(heir_seconds) if self._succession is not None else None
                await self._elector.stop(drain=drain, to=heir)
        except TimeoutError:
            log.warning("time is up before the key was released: its lease will end by itself")
        session.cancel()
        if self._settings.native:
            route_seconds = NATIVE_SECONDS - (self._clock.now() - began)
        await asyncio.gather(self._end_session(), self._hand_route_over(route_seconds))
        pod.cancel()

    async def _may_release(self) -> bool:
        """Whether, as a native sidecar, the lock may go: the workload has ended, or can believe no answer any more."""
        if self._pod is None:
            return True
        try:
            return await self._pod.workload_has_ended()
        except KubeError as error:
            log.warning("cannot tell whether the workload has ended: %s", error)
        left = self._elector.promised_seconds()
        if left > NATIVE_SECONDS - READ_SECONDS - RELEASE_SECONDS:
            return False
        await self._clock.sleep(left)
        return True

    async def _end_session(self) -> None:
        try:
            async with asyncio.timeout(LAST_CALLS_SECONDS):
                if self._resumption is not None:
                    await self._resumption.memory.forget()
                await self._session.end()
        except (TimeoutError, EtcdError) as error:
            log.warning("the lease was not given back and will end by itself: %s", error)

    async def _hand_route_over(self, timeout_seconds: float) -> None:
        if self._pod is not None:
            await self._pod.hand_route_over(timeout_seconds)

    async def _tell(self) -> bool | None:
        """Between leading no more and releasing the key: whether the workload is known to have finished.

        None where nothing speaks for it.
        """
        async with asyncio.TaskGroup() as group:
            if self._pod is not None:
                group.create_task(self._pod.take_off(), name="label-off")
            if self._command is not None:
                return await self._command.finish()
            return None if self._told is None else await self._told.finish()

    def _introduce(self) -> None:
        log.info("leader-sidecar %s starts", __version__, extra={"settings": self._settings.describe()})
        for caution in cautions(self._settings, cpu_quota_cores()):
            log.warning(caution)

    def _name_setting(self, refused: BaseExceptionGroup[EtcdError]) -> SettingError:
        """The setting to be mended when etcd refuses this sidecar at its start."""
        settings, error = self._settings, _first(refused)
        if isinstance(error, PermissionDenied):
            lock = settings.lock(settings.election)
            mend = f"{error}: let etcd user {settings.etcd_user} read and write the keys that begin with {lock}/"
            return SettingError("--lock-name", lock, mend, exit_code=ExitCode.NO_PERMISSION)
        mend = f"{error}: give the right --etcd-user with its --etcd-password-file"
        return SettingError("--etcd-user", settings.etcd_user, mend, exit_code=ExitCode.NO_PERMISSION)


def _first(errors: BaseExceptionGroup[EtcdError]) -> EtcdError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _etcd_settings(settings: Settings) -> EtcdSettings:
    return EtcdSettings(
        endpoints=settings.etcd_endpoints,
        attempt_seconds=attempt_seconds(settings.ttl_seconds),
        cacert=settings.etcd_cacert,
        cert=settings.etcd_cert,
        key=settings.etcd_key,
        user=settings.etcd_user,
        password=(lambda: read_etcd_password(settings) or "") if settings.etcd_user else None,
    )
