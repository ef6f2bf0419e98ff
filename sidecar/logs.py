"""Logging to standard error: JSON lines, or a readable form on a terminal. Times are RFC 3339, in UTC.

Modules log through ``logging.getLogger(__name__)`` and pass facts in ``extra``; both forms show them.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_OWN = "sidecar"
_STANDARD_ATTRIBUTES = frozenset({*RESERVED_ATTRS, "taskName", "color_message"})
_LEVEL_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


def configure(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """``log_format`` is ``json`` or ``console``; replaces whatever was configured before.

    Other libraries' loggers say warnings and worse only: below that urllib3 and grpc name every request, and
    Kubernetes' client whole answers.
    """
    output = stream or sys.stderr
    handler = logging.StreamHandler(output)
    handler.setFormatter(json_lines() if log_format == "json" else Console(colours=output.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OWN).setLevel(log_level.upper())
    logging.captureWarnings(True)


def json_lines() -> logging.Formatter:
    return _JsonLines(
        ["asctime", "levelname", "name", "message"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"},
        reserved_attrs=sorted(_STANDARD_ATTRIBUTES),
        json_ensure_ascii=False,
    )


def rfc3339(seconds: float) -> str:
    """``seconds`` since the epoch, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _JsonLines(JsonFormatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return rfc3339(record.created)


class Console(logging.Formatter):
    """``TIME LEVEL logger: message  key=value ...``, exceptions below."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__("%(asctime)s")
        self._colours = colours

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        facts = {key: str(value) for key, value in vars(record).items() if key not in _STANDARD_ATTRIBUTES}
        shown = "".join(f"  {key}={value if value.isprintable() else repr(value)}" for key, value in facts.items())
        name = record.name.removeprefix(_OWN + ".")
        return f"{record.asctime} {self._level(record.levelname)} {name}: {record.message}{shown}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return rfc3339(record.created)

    def _level(self, name: str) -> str:
        padded = f"{name:<7}"
        return f"\x1b[{_LEVEL_COLOURS.get(name, '0')}m{padded}\x1b[0m" if self._colours else padded
