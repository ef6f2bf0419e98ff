"""Click options, made from the settings' declarations. Click only collects texts: ``sidecar.settings`` reads them."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from sidecar.settings import DECLARATIONS, Declaration

Command = TypeVar("Command", bound=Callable[..., Any])


def setting_options(names: Iterable[str]) -> Callable[[Command], Command]:
    """Adds the options of these settings (field names) to a command; secrets have none."""
    chosen = [(name, DECLARATIONS[name]) for name in names if not DECLARATIONS[name].secret]

    def decorate(command: Command) -> Command:
        for name, declaration in reversed(chosen):
            command = _option(name, declaration)(command)
        return command

    return decorate


def _option(field_name: str, declaration: Declaration) -> Callable[[Command], Command]:
    default = "required" if declaration.default_text is None else f"default: {declaration.default_text}"
    flag = f"{declaration.flag}/--no-{declaration.name}" if declaration.switch else declaration.flag
    return click.option(
        flag,
        field_name,
        default=None,
        metavar="|".join(declaration.choices) or declaration.metavar or None,
        multiple=declaration.repeatable,
        help=f"{declaration.help} [{default}; {declaration.environment}]",
    )
