"""How one setting is declared, and how its text is read. Parsers raise ``ValueError`` with the mend as message."""

import ipaddress
import math
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sidecar.names import election_problem, label_key_problem, label_value_problem, service_problem, subdomain_problem
from sidecar.settings.health import parse_target

ENVIRONMENT_PREFIX = "LEADER_SIDECAR_"

_ADDRESS_MEND = "write HOST:PORT, [IPV6]:PORT, or :PORT for every address, with a port from 0 to 65535"
_ENDPOINT_MEND = "write http://HOST:PORT or https://HOST:PORT, several separated by commas"
_HOOK_MEND = "write http://localhost:PORT/PATH, or 127.0.0.1 or [::1]: only a program in this pod is told"
_LABEL_MEND = "write KEY=LEADER/FOLLOWER, as in role=primary/replica"


@dataclass(frozen=True, slots=True)
class Declaration:
    """``name`` is the flag without dashes; ``default_text`` is for people, None where the setting is required.

    ``switch`` makes a pair ``--x`` / ``--no-x``; ``repeatable`` collects texts, from the environment by comma;
    ``secret`` is never a flag and never shown.
    """

    name: str
    help: str
    parse: Callable[[str], Any]
    default_text: str | None
    metavar: str = ""
    unit: str | None = None
    choices: tuple[str, ...] = ()
    switch: bool = False
    repeatable: bool = False
    secret: bool = False
    shown: Callable[[str], str] = str
    """How a refused text is repeated in an error."""

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def environment(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")


def setting(name: str, help: str, parse: Callable[[str], Any], default_text: str | None, **more: Any) -> Any:  # noqa: A002 - click's word
    """A dataclass field with its declaration. A field without a dataclass default is resolved by ``build``."""
    default = more.pop("default", MISSING)
    declaration = Declaration(name, help, parse, default_text, **more)
    return field(default=default, metadata={"setting": declaration}, repr=not declaration.secret)


def declared(settings_class: Any) -> dict[str, Declaration]:
    """The declarations by field name, in order."""
    found: dict[str, Declaration] = {}
    each: Field[Any]
    for each in fields(settings_class):
        if "setting" in each.metadata:
            found[each.name] = each.metadata["setting"]
    return found


@dataclass(frozen=True, slots=True)
class UserLabel:
    """The additional label: ``leader`` and ``follower`` are its two values."""

    key: str
    leader: str
    follower: str


def text(given: str) -> str:
    if not given.isprintable():
        raise ValueError("use printable characters only")
    return given


def switch(given: str) -> bool:
    if given not in {"true", "false"}:
        raise ValueError("write true or false")
    return given == "true"


def election(given: str) -> str:
    return _unless(election_problem(given), given)


def cluster_name(given: str) -> str:
    if "/" in given:
        raise ValueError("leave '/' out: it is one part of the lock's name")
    return text(given)


def lock_name(given: str) -> str:
    if given.startswith("leader-sidecar.meta/"):
        raise ValueError("choose another: what begins with leader-sidecar.meta/ is kept for the sidecars' own keys")
    return text(given)


def whole_seconds(given: str) -> int:
    try:
        return int(given)
    except ValueError:
        raise ValueError("write whole seconds: etcd counts leases in them") from None


def seconds(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError("write seconds, as in 2 or 0.5")
    return number


def count(given: str) -> int:
    number = int(given) if given.isascii() and given.isdigit() else 0
    if number < 1:
        raise ValueError("write a whole number, 1 or more")
    return number


def health_check(given: str) -> str:
    parse_target(given)
    return given


def file(given: str) -> Path:
    return Path(given)


def endpoints(given: str) -> tuple[str, ...]:
    """``http://`` and ``https://`` URLs of host and port, nothing else. A password in one is not repeated in errors."""
    found = tuple(part for part in (piece.strip() for piece in given.split(",")) if part)
    if not found:
        raise ValueError(_ENDPOINT_MEND)
    for url in found:
        _check_endpoint(url)
    return found


def address(given: str) -> str:
    """``HOST:PORT``. Names are resolved, and ports bound, by the server."""
    host, colon, port = given.rpartition(":")
    bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or bare_ipv6 or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(_ADDRESS_MEND)
    return given


def hook(given: str) -> str:
    """``http://`` URL of a program on this machine's loopback, that of the pod."""
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ValueError(_HOOK_MEND) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the URL: they are not sent")
    if not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError("write what is not printable ASCII, and blanks, as %XX")
    if parts.scheme != "http" or port == 0 or not _is_loopback(parts.hostname or ""):
        raise ValueError(_HOOK_MEND)
    if parts.fragment:
        raise ValueError("leave out '#' and what follows: it is not sent")
    return given


def user_label(given: str) -> UserLabel:
    key, equals, values = given.partition("=")
    leader, slash, follower = values.partition("/")
    if not equals or not slash:
        raise ValueError(_LABEL_MEND)
    _unless(label_key_problem(key), key, "the key")
    _unless(label_value_problem(leader), leader, "the leader's value")
    _unless(label_value_problem(follower), follower, "the follower's value")
    if leader == follower:
        raise ValueError("give two values that differ, or nobody can tell a leader from a follower")
    return UserLabel(key, leader, follower)


def label_prefix(given: str) -> str:
    return _unless(subdomain_problem(given), given)


def service(given: str) -> str:
    return _unless(service_problem(given), given)


def choice(*allowed: str) -> Callable[[str], str]:
    def parse(given: str) -> str:
        if given not in allowed:
            raise ValueError(f"write one of {', '.join(allowed)}")
        return given

    return parse


def without_credentials(given: str) -> str:
    """A list of URLs as it may be shown: a password may hold commas and slashes, so all before the last @ goes."""
    before, at, after = given.rpartition("@")
    return f"***@{after}" if at else before + after


def _check_endpoint(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_ENDPOINT_MEND) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the URL: give --etcd-user and --etcd-password-file")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port:
        raise ValueError(_ENDPOINT_MEND)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{_ENDPOINT_MEND}, without a path")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and "%" not in host and getattr(address, "ipv4_mapped", None) is None


def _unless(problem: str | None, given: str, what: str = "") -> str:
    if problem:
        raise ValueError(f"{what} {problem}".strip())
    return given
