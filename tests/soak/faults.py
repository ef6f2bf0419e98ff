"""What may go wrong in a round. Each fault is a context manager: it is there inside, and mended at the end."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from random import Random

from tests.soak.proxy import Line, Proxies, Proxy
from tests.support.etcd import Cluster, Member
from tests.support.group import Group, Key
from tests.support.sidecar import SidecarProcess, Unreachable


@dataclass(frozen=True, slots=True)
class World:
    cluster: Cluster
    group: Group
    proxies: Proxies
    lines: dict[str, Proxy]
    dice: Random

    def sidecar(self) -> SidecarProcess:
        """In most cases the one that leads, as far as it can be told: that is where trouble may do harm."""
        drawn, favours_leader = self.dice.choice(self.group.sidecars), self.dice.random() < 0.75
        return (self.leader() or drawn) if favours_leader else drawn

    def leader(self) -> SidecarProcess | None:
        return next((sidecar for sidecar in self.group.sidecars if _leads(sidecar)), None)

    def member(self) -> Member:
        return self.dice.choice(self.cluster.members)

    def key(self) -> Key | None:
        """In half of the cases the first of the queue; None when etcd does not tell."""
        favours_first, drawn = self.dice.random() < 0.5, self.dice.random()
        try:
            queue = self.group.queue()
        except AssertionError:
            return None
        if not queue:
            return None
        return queue[0] if favours_first else queue[int(drawn * len(queue))]


Fault = Callable[[World], AbstractContextManager[str]]
"""Yields what was done, for the log."""


def _leads(sidecar: SidecarProcess) -> bool:
    try:
        return sidecar.alive and sidecar.ask("/leader", timeout_seconds=1, probe_listener=True)[0] == 200
    except Unreachable:
        return False


@contextmanager
def kill_sidecar(world: World) -> Iterator[str]:
    sidecar = world.sidecar()
    sidecar.kill()
    yield f"killed {sidecar.identity}"
    if not sidecar.alive:
        sidecar.start()


@contextmanager
def restart_sidecar(world: World) -> Iterator[str]:
    sidecar = world.sidecar()
    sidecar.kill()
    sidecar.start()
    yield f"restarted {sidecar.identity}"


@contextmanager
def freeze_sidecar(world: World) -> Iterator[str]:
    sidecar = world.sidecar()
    if sidecar.alive:
        sidecar.freeze()
    yield f"froze {sidecar.identity}"
    if sidecar.alive:
        sidecar.thaw()


@contextmanager
def resign(world: World) -> Iterator[str]:
    drain = world.dice.random() < 0.5
    leader = world.leader()
    if leader is None:
        yield "resign: nobody leads"
        return
    status = 0
    with suppress(Unreachable):
        body = leader.leader()[1]
        if not drain and body["token"] is not None:
            world.group.witness.excuse_resign(body["token"])
        status, _ = leader.resign(drain=drain)
    yield f"resigned {leader.identity}{' with drain' if drain else ''} ({status})"


@contextmanager
def kill_member(world: World) -> Iterator[str]:
    member = world.member()
    member.kill()
    yield f"killed {member.name}"
    if not member.alive:
        member.start()


@contextmanager
def freeze_member(world: World) -> Iterator[str]:
    member = world.member()
    if member.alive:
        member.freeze()
    yield f"froze {member.name}"
    if member.alive:
        member.thaw()


@contextmanager
def kill_all_of_etcd(world: World) -> Iterator[str]:
    world.cluster.kill()
    yield "killed etcd"
    for member in world.cluster.members:
        if not member.alive:
            member.start()


@contextmanager
def freeze_all_of_etcd(world: World) -> Iterator[str]:
    for member in world.cluster.members:
        if member.alive:
            member.freeze()
    yield "froze etcd"
    for member in world.cluster.members:
        if member.alive:
            member.thaw()


@contextmanager
def delete_key(world: World) -> Iterator[str]:
    key = world.key()
    if key is None:
        yield "delete key: none"
        return
    world.group.witness.excuse_meddling(key.create_revision)
    with suppress(AssertionError):
        world.cluster.ctl("del", key.name)
    yield f"deleted the key of {key.value}"


@contextmanager
def revoke_lease(world: World) -> Iterator[str]:
    key = world.key()
    if key is None:
        yield "revoke lease: none"
        return
    world.group.witness.excuse_meddling(key.create_revision)
    with suppress(AssertionError):
        world.cluster.ctl("lease", "revoke", f"{key.lease_id:x}")
    yield f"revoked the lease of {key.value}"


@contextmanager
def compact(world: World) -> Iterator[str]:
    done = "tried to compact"
    with suppress(AssertionError, StopIteration):
        world.cluster.ctl("put", "/elsewhere", "x")
        done = f"compacted at {world.cluster.compact()}"
    yield done


def cut_line(world: World) -> AbstractContextManager[str]:
    return _disturbed(world, Line.CUT)


def silence_line(world: World) -> AbstractContextManager[str]:
    return _disturbed(world, Line.SILENT)


def slow_line(world: World) -> AbstractContextManager[str]:
    return _disturbed(world, Line.SLOW)


@contextmanager
def _disturbed(world: World, line: Line) -> Iterator[str]:
    """The line between one sidecar and all of etcd."""
    sidecar = world.sidecar()
    world.proxies.put(world.lines[sidecar.identity], line)
    yield f"line of {sidecar.identity} {line.value}"
    world.proxies.put(world.lines[sidecar.identity], Line.OPEN)


FAULTS: tuple[Fault, ...] = (
    kill_sidecar,
    restart_sidecar,
    freeze_sidecar,
    resign,
    kill_member,
    freeze_member,
    kill_all_of_etcd,
    freeze_all_of_etcd,
    delete_key,
    revoke_lease,
    compact,
    cut_line,
    silence_line,
    slow_line,
)
