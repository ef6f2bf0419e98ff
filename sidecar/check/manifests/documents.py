"""Manifests from files: YAML with several documents, or a List of objects."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sidecar.check.manifests.shape import Object, mapping, objects
from sidecar.errors import ExitCode, SettingError

STDIN = "-"


def load(files: Iterable[str]) -> list[Object]:
    """Every object in ``files``, ``-`` being standard input. Raises ``SettingError`` (66): not there, or no YAML."""
    return [found for file in files for found in _load_one(file)]


def parse(text: str) -> list[Object]:
    """Raises ``yaml.YAMLError``."""
    import yaml

    return [found for document in yaml.safe_load_all(text) for found in _flat(document)]


def _load_one(file: str) -> list[Object]:
    import yaml

    try:
        return parse(sys.stdin.read() if file == STDIN else Path(file).read_text())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no text"
        mend = f"{why.lower()}: name a readable file of manifests, or - for standard input"
        raise SettingError("--file", file, mend, exit_code=ExitCode.NO_INPUT) from error
    except (yaml.YAMLError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise SettingError("--file", file, f"write YAML: {why}", exit_code=ExitCode.NO_INPUT) from error


def _flat(document: Any) -> Iterator[Object]:
    found = mapping(document)
    if str(found.get("kind", "")).endswith("List") and isinstance(found.get("items"), list):
        for item in objects(found["items"]):
            yield from _flat(item)
    elif found:
        yield found
