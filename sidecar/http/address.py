"""``HOST:PORT`` as ``--listen`` and ``--probe-listen`` take it."""

import ipaddress
import re
from dataclasses import dataclass

from sidecar.errors import SettingError

EVERY = ""
LOOPBACK = "localhost"
_SHAPE = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<plain>[^\[\]:]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_MEND = "give HOST:PORT, HOST an IP address ([...] around IPv6), localhost, or nothing for every address"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. ``host`` is ``EVERY``, ``LOOPBACK`` (both families) or one IP address; port 0 is any free one.

    ``flag`` and ``text`` are the setting and its value, for error messages.
    """

    flag: str
    text: str
    host: str
    port: int


def parse_address(flag: str, text: str) -> Address:
    """Raises ``SettingError``. Names other than localhost are refused: what they resolve to may change unseen."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise SettingError(flag, text, _MEND)
    port = int(shape["port"])
    if port > 65535:
        raise SettingError(flag, text, "give a port from 1 to 65535")
    if shape["bracketed"] is not None:
        return Address(flag, text, _ip(flag, text, shape["bracketed"], version=6), port)
    host = shape["plain"].lower()
    if host not in (EVERY, LOOPBACK):
        host = _ip(flag, text, host, version=4)
    return Address(flag, text, host, port)


def _ip(flag: str, text: str, host: str, *, version: int) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise SettingError(flag, text, _MEND) from error
    if address.version != version:
        raise SettingError(flag, text, _MEND)
    return EVERY if address == ipaddress.IPv6Address("::") else host
