"""Where etcd is: endpoint URLs, the addresses behind them, and whose turn it is."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.errors import EtcdUnavailable, SettingError

SETTING = "--etcd-endpoints"
_MEND = "write it as http://HOST:PORT or https://HOST:PORT"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One configured URL. ``host`` is a name or a bare IP address (no brackets)."""

    url: str
    secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """One address of an endpoint; ``address`` is an IP address."""

    endpoint: Endpoint
    address: str

    @property
    def grpc_name(self) -> str:
        """The address as gRPC's resolver wants it."""
        if ":" in self.address:
            return f"ipv6:[{self.address}]:{self.endpoint.port}"
        return f"ipv4:{self.address}:{self.endpoint.port}"

    def __str__(self) -> str:
        if self.address == self.endpoint.host:
            return self.endpoint.url
        return f"{self.endpoint.url} ({self.address})"


def parse_endpoint(url: str) -> Endpoint:
    """Raises ``SettingError``."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingError(SETTING, url, f"{error}; {_MEND}") from error
    if parts.username is not None or parts.password is not None:
        raise SettingError(SETTING, "(hidden)", "user and password do not belong in the URL: use --etcd-user")
    if parts.scheme not in ("http", "https"):
        raise SettingError(SETTING, url, f"the URL must begin with http:// or https://; {_MEND}")
    if not host or any(character.isspace() for character in host):
        raise SettingError(SETTING, url, f"the host is missing or has blanks; {_MEND}")
    if not port:
        raise SettingError(SETTING, url, f"the port is missing; etcd's is 2379; {_MEND}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise SettingError(SETTING, url, f"nothing may follow the port; {_MEND}")
    return Endpoint(url.rstrip("/"), parts.scheme == "https", host, port)


def parse_endpoints(urls: Sequence[str]) -> tuple[Endpoint, ...]:
    """Raises ``SettingError``."""
    if not urls:
        raise SettingError(SETTING, None, f"name at least one; {_MEND}")
    return tuple(parse_endpoint(url) for url in urls)


async def resolve(endpoint: Endpoint) -> tuple[str, ...]:
    """The endpoint's addresses, in the resolver's order. Raises ``EtcdUnavailable`` when the name has none."""
    try:
        return (str(ipaddress.ip_address(endpoint.host)),)
    except ValueError:
        pass  # a name
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EtcdUnavailable(f"{endpoint.url}: the name cannot be resolved: {error}") from error
    if not found:
        raise EtcdUnavailable(f"{endpoint.url}: the name has no address")
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Rotation:
    """Whose turn it is: every address of every endpoint, in the order given, round and round.

    A name is resolved anew each time its turn comes: ``endpoint`` says which one, ``offer`` brings its addresses, and
    ``take`` hands them out one by one, then None.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._endpoints = endpoints
        self._turn = -1
        self._waiting: list[Target] = []
        self._addresses = dict.fromkeys(endpoints, 1)

    @property
    def round_length(self) -> int:
        """How many targets one round has, as far as the names have been resolved yet."""
        return sum(self._addresses.values())

    def take(self) -> Target | None:
        return self._waiting.pop(0) if self._waiting else None

    def turn(self) -> Endpoint:
        """The next endpoint, to be resolved."""
        self._turn = (self._turn + 1) % len(self._endpoints)
        return self._endpoints[self._turn]

    def offer(self, endpoint: Endpoint, addresses: Sequence[str]) -> None:
        self._addresses[endpoint] = max(1, len(addresses))
        self._waiting = [Target(endpoint, address) for address in addresses]
