"""``leader-sidecar inject``: puts the sidecar into manifests."""

import sys
from pathlib import Path

import click

from sidecar.cli.options import setting_options
from sidecar.errors import ExitCode, SettingError
from sidecar.settings import DECLARATIONS, Surroundings
from sidecar.settings.build import setting_value

_STDIN = "-"
_LIKE_SETTINGS = ["etcd_endpoints", "ttl_seconds", "cluster_name", "etcd_user", "label_prefix", "log_level"]
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def _quantities(_context: object, option: click.Parameter, given: str) -> dict[str, str]:
    """``cpu=10m,memory=80Mi`` as a mapping; empty for no text."""
    found = {}
    for part in filter(None, given.split(",")):
        name, equals, quantity = part.partition("=")
        if name not in {"cpu", "memory"} or not equals or not quantity:
            raise click.BadParameter(f"{part!r}: write cpu=QUANTITY,memory=QUANTITY", param=option)
        found[name] = quantity
    return found


@click.command()
@click.option("-f", "--filename", metavar="FILE|-", required=True, help="Manifests; - for standard input.")
@click.option("--image", default=None, help="The sidecar's image. [default: leader-sidecar of this version]")
@click.option("--image-pull-policy", type=click.Choice(_PULL_POLICIES), default="IfNotPresent", show_default=True)
@click.option("--etcd-tls-secret", default="", metavar="NAME", help="Secret in each namespace, with ca.crt.")
@click.option("--etcd-client-certificate", is_flag=True, help="That Secret also has tls.crt and tls.key.")
@click.option("--etcd-password-secret", default="", metavar="NAME", help="Secret with the key password.")
@click.option("--requests", default="cpu=10m,memory=80Mi", show_default=True, callback=_quantities)
@click.option("--limits", default="memory=160Mi", show_default=True, callback=_quantities)
@click.option("--native/--no-native", default=True, show_default=True, help="Off for Kubernetes below 1.29.")
@click.option("--follow-rollout/--no-follow-rollout", default=True, show_default=True, help="See the setting's own.")
@click.option("--resume/--no-resume", default=False, show_default=True, help="An emptyDir in memory as --state-dir.")
@setting_options(_LIKE_SETTINGS)
def inject(
    filename: str,
    image: str | None,
    image_pull_policy: str,
    etcd_tls_secret: str,
    etcd_client_certificate: bool,
    etcd_password_secret: str,
    requests: dict[str, str],
    limits: dict[str, str],
    native: bool,
    follow_rollout: bool,
    resume: bool,
    **flags: str | None,
) -> int:
    """Writes manifests with the sidecar to standard output, comments and order kept.

    Deployments, StatefulSets, DaemonSets, Jobs and Pods get one where the pod, or its template, has the label
    leader-sidecar/inject: ELECTION. The annotations leader-sidecar/ttl, .../lock-name, .../etcd-endpoints,
    .../label and .../route give a pod settings of its own. What has a sidecar already stays as it is, and so does
    everything else.

    The same container as the chart's injection, for clusters below 1.36. Applying the output changes nothing that the
    input would not have changed, but for the sidecar, its volumes, and its label.
    """
    from sidecar.inject.container import Choices
    from sidecar.inject.manifest import inject as into

    given = {name: _text(name, flags.get(name)) for name in _LIKE_SETTINGS}
    choices = Choices(
        image=image or _own_image(),
        pull_policy=image_pull_policy,
        etcd_endpoints=given["etcd_endpoints"],
        etcd_tls_secret=etcd_tls_secret,
        etcd_client_certificate=etcd_client_certificate,
        etcd_user=given["etcd_user"],
        etcd_password_secret=etcd_password_secret,
        ttl=given["ttl_seconds"],
        cluster_name=given["cluster_name"],
        label_prefix=given["label_prefix"],
        log_level=given["log_level"],
        requests=requests,
        limits=limits,
        native=native,
        follow_rollout=follow_rollout,
        resume=resume,
    )
    written, count = into(_read(filename), choices, filename)
    click.echo(written, nl=False)
    if not count:
        click.echo("leader-sidecar: nothing asks for a sidecar by the label leader-sidecar/inject", err=True)
    return ExitCode.OK


def _text(field_name: str, given: str | None) -> str:
    """A setting, checked, as the container's environment will say it. Raises ``SettingError``."""
    if DECLARATIONS[field_name].default_text is None and not given:
        given = Surroundings.here().environ.get(DECLARATIONS[field_name].environment)
        if not given:
            return ""
    value = setting_value(field_name, given, Surroundings.here())
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def _read(filename: str) -> str:
    try:
        return sys.stdin.read() if filename == _STDIN else Path(filename).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no text"
        mend = f"{why.lower()}: name a readable file of manifests, or - for standard input"
        raise SettingError("--filename", filename, mend, exit_code=ExitCode.NO_INPUT) from error


def _own_image() -> str:
    from importlib.metadata import version

    return f"leader-sidecar:{version('leader-sidecar')}"
