"""From flags and environment to ``Settings``: reads every text, fills in what depends on the surroundings, checks."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from sidecar.errors import ExitCode, SettingError, SidecarError
from sidecar.settings.checks import MARGIN_RATIO, problems
from sidecar.settings.declare import Declaration
from sidecar.settings.surroundings import Surroundings
from sidecar.settings.table import DECLARATIONS, Settings

Given: TypeAlias = str | bool | tuple[str, ...] | None
"""One setting on the command line: None or an empty tuple where it is not given."""

_MAX_PROMISE_SECONDS = 2.0


class InvalidSettings(SidecarError):
    """One or more settings cannot be used. ``exit_code`` is the first one's."""

    def __init__(self, errors: tuple[SettingError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors
        self.exit_code = errors[0].exit_code


def build(flags: Mapping[str, Given], surroundings: Surroundings) -> Settings:
    """``flags`` has the texts given on the command line by field name; a flag wins over the environment.

    An empty environment variable counts as not set. Raises ``InvalidSettings`` with everything that is wrong at once.
    """
    errors: list[SettingError] = []
    values: dict[str, Any] = {}
    for field_name, declaration in DECLARATIONS.items():
        try:
            values.update(_read(field_name, declaration, flags.get(field_name), surroundings.environ))
        except SettingError as error:
            errors.append(error)
    errors.extend(_missing(values, {error.setting for error in errors}))
    if errors:
        raise InvalidSettings(tuple(errors))
    settings = Settings(**_filled(values, surroundings))
    errors.extend(problems(settings))
    if errors:
        raise InvalidSettings(tuple(errors))
    return settings


def setting_value(field_name: str, given: Given, surroundings: Surroundings) -> Any:
    """One setting on its own, for a command that needs no other. Raises ``SettingError``."""
    values = _read(field_name, DECLARATIONS[field_name], given, surroundings.environ)
    return values.get(field_name, _default(field_name))


def _default(field_name: str) -> Any:
    return Settings.__dataclass_fields__[field_name].default


def _read(field_name: str, declaration: Declaration, given: Given, environ: Mapping[str, str]) -> dict[str, Any]:
    """The value by field name, empty when neither flag nor environment gives one."""
    if isinstance(given, bool):
        return {field_name: given}
    source = declaration.flag
    if given is None or given == ():
        source, given = declaration.environment, environ.get(declaration.environment) or None
    if given is None:
        return {}
    if not declaration.repeatable:
        return {field_name: _parsed(declaration, source, str(given))}
    texts = given.split(",") if isinstance(given, str) else given
    return {field_name: tuple(_parsed(declaration, source, each.strip()) for each in texts)}


def _parsed(declaration: Declaration, source: str, given: str) -> Any:
    if not given:
        raise SettingError(source, given, "is empty: give a value or leave it out")
    try:
        return declaration.parse(given)
    except ValueError as reason:
        shown = "(not shown)" if declaration.secret else declaration.shown(given)
        raise SettingError(source, shown, str(reason)) from reason


def _missing(values: Mapping[str, Any], refused: set[str]) -> Iterator[SettingError]:
    for field_name, declaration in DECLARATIONS.items():
        if declaration.default_text is None and field_name not in values:
            if refused & {declaration.flag, declaration.environment}:
                continue
            mend = f"give {declaration.flag} {declaration.metavar} or set {declaration.environment}"
            yield SettingError(declaration.flag, None, mend, exit_code=ExitCode.USAGE)


def _filled(values: dict[str, Any], surroundings: Surroundings) -> dict[str, Any]:
    """Adds what was not given and depends on the surroundings or on other settings."""
    environ = surroundings.environ
    pod_name = environ.get("POD_NAME") or None
    ttl_seconds = values.get("ttl_seconds", _default("ttl_seconds"))
    cluster = f"/{values['cluster_name']}" if values.get("cluster_name") else ""
    defaults = {
        "pod_name": pod_name,
        "pod_uid": environ.get("POD_UID") or None,
        "namespace": surroundings.namespace,
        "identity": pod_name or surroundings.host_name,
        "lock_name": f"/leader-sidecar{cluster}/{{namespace}}/{{election}}",
        "max_promise_seconds": min(_MAX_PROMISE_SECONDS, ttl_seconds * (1 - MARGIN_RATIO)),
        "labels": surroundings.in_cluster or "kubeconfig" in values,
        "log_format": "console" if surroundings.on_terminal else "json",
    }
    return defaults | values
