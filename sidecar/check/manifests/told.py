"""What a manifest tells the sidecar: its flags and environment, as far as they stand there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from sidecar.check.manifests.shape import Object, inside, mapping, objects, texts
from sidecar.errors import ExitCode, SettingError
from sidecar.settings import DECLARATIONS, InvalidSettings, Surroundings, build
from sidecar.settings.build import Given, setting_value
from sidecar.settings.declare import ENVIRONMENT_PREFIX

_FLAGS = {declaration.flag: name for name, declaration in DECLARATIONS.items() if not declaration.secret}
_OFF = {f"--no-{declaration.name}": name for name, declaration in DECLARATIONS.items() if declaration.switch}
_REQUIRED: dict[str, Given] = {"elections": ("elsewhere",), "etcd_endpoints": "https://elsewhere:2379"}
"""What stands in for a required setting whose value is not in the manifest."""
_METADATA = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


@dataclass(frozen=True, slots=True)
class Told:
    """``hidden``: variables whose value stands elsewhere. ``open``: ``envFrom`` may bring any others.

    ``fields``: the pod's field by variable, as the downward API has it. ``strange``: arguments that no flag is.
    """

    flags: Mapping[str, Given] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    open: bool = False
    strange: tuple[str, ...] = ()

    def given(self, field_name: str) -> bool:
        """Whether flag or environment set it, or may do."""
        return field_name in self.flags or DECLARATIONS[field_name].environment in {*self.environ, *self.hidden}

    def known(self, field_name: str) -> bool:
        """Whether the value that counts stands in the manifest."""
        return not self.open and (field_name in self.flags or DECLARATIONS[field_name].environment not in self.hidden)

    def value(self, field_name: str) -> Any:
        """The value, or the default; None where it cannot be read from the manifest, or is wrong."""
        if not self.known(field_name):
            return None
        try:
            found = setting_value(field_name, self.flags.get(field_name), self._surroundings())
        except SettingError:
            return None
        return None if found is MISSING else found

    def elections(self) -> tuple[str, ...]:
        return tuple(self.value("elections") or ())

    def label_keys(self) -> tuple[str, ...]:
        """Every label key that this sidecar flips."""
        prefix, extra = self.value("label_prefix") or "leader-sidecar", self.value("label")
        return (*(f"{prefix}/{election}" for election in self.elections()), *([extra.key] if extra else ()))

    def errors(self) -> Iterator[SettingError]:
        """What the sidecar would refuse at its start; files are not looked for, and what is not known not missed."""
        required = {name: stand_in for name, stand_in in _REQUIRED.items() if self.open or not self.known(name)}
        try:
            build({**required, **self.flags, "labels": False}, self._surroundings())
        except InvalidSettings as invalid:
            for error in invalid.errors:
                if error.exit_code is not ExitCode.NO_INPUT and not self._is_doubtful(error):
                    yield error

    def _is_doubtful(self, error: SettingError) -> bool:
        """Whether a value that stands elsewhere may make it right. A text that cannot be read has a cause; the rest
        are contradictions between settings.
        """
        elsewhere = self.hidden - {DECLARATIONS[name].environment for name in _REQUIRED}
        return error.__cause__ is None and (self.open or any(name.startswith(ENVIRONMENT_PREFIX) for name in elsewhere))

    def _surroundings(self) -> Surroundings:
        placed = dict.fromkeys(self.fields, "from-the-pod")
        return Surroundings({**placed, **self.environ}, "host", Path("/nonexistent"), on_terminal=False)


def told_by_container(container: Object, pod: Object) -> Told:
    """``pod``: the template around it, whose labels and annotations a variable may take its value from."""
    environ: dict[str, str] = {}
    fields: dict[str, str] = {}
    hidden: set[str] = set()
    for entry in objects(container.get("env")):
        name, source = str(entry.get("name", "")), mapping(entry.get("valueFrom"))
        if not source:
            environ[name] = _expanded(str(entry.get("value") or ""), environ) or ""
        elif path := str(inside(source, "fieldRef").get("fieldPath") or ""):
            fields[name] = path
            found = _of_metadata(path, pod)
            if found is not None:
                environ[name] = found
            elif name.startswith(ENVIRONMENT_PREFIX):
                hidden.add(name)
        else:
            hidden.add(name)
    words = [*texts(container.get("command")), *texts(container.get("args"))]
    flags, strange, unread = flags_of(_after_run(words), environ)
    hidden.update(DECLARATIONS[name].environment for name in unread)
    for name in unread:
        flags.pop(name, None)
    return Told(flags, environ, fields, frozenset(hidden), bool(container.get("envFrom")), tuple(strange))


def flags_of(words: Iterable[str], environ: Mapping[str, str]) -> tuple[dict[str, Given], list[str], set[str]]:
    """Flags by field name, arguments that are none, and the fields whose text refers to what is not known here."""
    flags: dict[str, Given] = {}
    strange: list[str] = []
    unread: set[str] = set()
    rest = iter(words)
    for word in rest:
        flag, equals, given = word.partition("=")
        if flag in _OFF and not equals:
            flags[_OFF[flag]] = False
        elif flag not in _FLAGS:
            strange.append(word)
        elif DECLARATIONS[_FLAGS[flag]].switch:
            flags[_FLAGS[flag]] = True
        else:
            name = _FLAGS[flag]
            text = _expanded(given if equals else next(rest, ""), environ)
            if text is None:
                unread.add(name)
            elif DECLARATIONS[name].repeatable:
                flags[name] = (*_sequence(flags.get(name)), text)
            else:
                flags[name] = text
    return flags, strange, unread


def _of_metadata(path: str, pod: Object) -> str | None:
    found = _METADATA.fullmatch(path)
    if found is None:
        return None
    value = inside(pod, "metadata", found[1]).get(found[2])
    return None if value is None else str(value)


def runs_sidecar(words: Iterable[str]) -> bool:
    """Whether a command line is a sidecar's: the program, then ``run``."""
    words = list(words)
    return any(_is_program(words[:at]) for at, word in enumerate(words) if word == "run")


def flags_of_process(words: list[str]) -> dict[str, Given]:
    """The flags of a running sidecar's command line; nothing when it is another program's."""
    return flags_of(_after_run(words), {})[0] if runs_sidecar(words) else {}


def _is_program(before: list[str]) -> bool:
    return any(Path(word).name == "leader-sidecar" for word in before) or before[-2:] == ["-m", "sidecar"]


def _after_run(words: list[str]) -> list[str]:
    return words[words.index("run") + 1 :] if "run" in words else []


def _expanded(text: str, environ: Mapping[str, str]) -> str | None:
    """Kubernetes' ``$(NAME)``; None where a name's value is not known here."""
    names = _REFERENCE.findall(text)
    if any(name not in environ for name in names):
        return None
    return _REFERENCE.sub(lambda found: environ[found[1]], text)


def _sequence(found: Given) -> tuple[str, ...]:
    return found if isinstance(found, tuple) else ()
