"""``leader-sidecar run``."""

import click

from sidecar.cli.options import setting_options
from sidecar.settings import DECLARATIONS, Surroundings, build


@click.command(epilog="The etcd password comes from LEADER_SIDECAR_ETCD_PASSWORD or its file, never from a flag.")
@setting_options(DECLARATIONS)
def run(**flags: str | bool | tuple[str, ...] | None) -> int:
    """Runs the sidecar.

    Every option can also be given in the environment, by the variable named with it; lists by comma, switches as
    true or false. A flag wins.
    """
    settings = build(flags, Surroundings.here())
    from sidecar import logs
    from sidecar.service import serve

    logs.configure(settings.log_format, settings.log_level)
    return serve(settings)
