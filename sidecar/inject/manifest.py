"""Manifests as text: documents that change are written anew with their comments and order, the others are untouched."""

import io
import itertools
import re
from typing import Any

from sidecar.errors import ExitCode, SettingError
from sidecar.inject.container import Choices
from sidecar.inject.workload import Refused, put_into
from sidecar.settings import InvalidSettings

_BOUNDARY = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""At the beginning of a line three dashes always begin a document: YAML 1.2, 9.1.2."""
_FLAT_LIST = re.compile(r"^( *)[^\s#-][^\n]*:[ ]*(#[^\n]*)?\n\1- ", re.MULTILINE)
_WIDE = 1 << 20


def inject(text: str, choices: Choices, file: str) -> tuple[str, int]:
    """The manifests with sidecars, and how many objects were given one.

    Raises ``InvalidSettings`` with everything that is wrong, ``SettingError`` where ``text`` is no YAML.
    """
    errors: list[SettingError] = []
    written, count = [], 0
    for document in _split(text):
        try:
            changed = _injected(document, choices, file)
        except Refused as refused:
            errors.extend(refused.errors)
            continue
        count += changed is not None
        written.append(document if changed is None else changed)
    if errors:
        raise InvalidSettings(tuple(errors))
    return "".join(written), count


def _split(text: str) -> list[str]:
    """Documents with the line that begins them; put together they are ``text``."""
    begins = [0, *(found.start() for found in _BOUNDARY.finditer(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(begins) if start < end]


def _injected(document: str, choices: Choices, file: str) -> str | None:
    """The document with a sidecar; None where none is wanted."""
    from ruamel.yaml.error import YAMLError

    yaml = _reader(document)
    try:
        content: Any = yaml.load(document)
    except (YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:300]
        raise SettingError("--filename", file, f"write YAML: {why}", exit_code=ExitCode.NO_INPUT) from error
    each = content["items"] if _is_list(content) else [content]
    changed = [put_into(item, choices) for item in each]
    if not any(changed):
        return None
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _is_list(content: Any) -> bool:
    return isinstance(content, dict) and content.get("kind") == "List" and isinstance(content.get("items"), list)


def _reader(document: str) -> Any:
    """Reads and writes a document in its own manner: quotes, width, and where the dashes of its lists stand."""
    from ruamel.yaml import YAML

    yaml = YAML()
    # Kubernetes reads YAML 1.1, where 0644 is octal; kept as text, what is not changed stays as it is written
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.explicit_start = document.startswith("---")
    if _FLAT_LIST.search(document):
        yaml.indent(mapping=2, sequence=2, offset=0)
    else:
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
