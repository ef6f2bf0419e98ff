"""Writes what is made in deploy/: ``python -m tests.chart.render``. A test compares."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import yaml
from click.testing import CliRunner

from sidecar.cli.main import cli
from sidecar.inject.container import Choices, container, volumes
from sidecar.inject.wish import Wish
from tests.support.helm import CHART, ROOT, template_text

DEPLOY = ROOT / "deploy"

_MADE_BY = "# Made by `python -m tests.chart.render`: change {source}, not this.\n"
_ETCD = {"sidecar": {"etcd": {"endpoints": ["http://etcd:2379"]}}}
_COMPONENTS = {
    "rights": ("templates/rights.yaml",),
    "policy": ("templates/policy.yaml",),
    "route": ("templates/route.yaml",),
    "injection": ("templates/injection.yaml", "templates/injection-check.yaml"),
    "monitoring": ("templates/metrics.yaml",),
}
_MONITORING = {name: {"enabled": True} for name in ("podMonitor", "rules", "dashboard")}
_WRITTEN = {
    "deployment.yaml": ("deployment.yaml", ()),
    "statefulset.yaml": ("statefulset.yaml", ()),
    "job.yaml": ("job.yaml", ()),
    "plain.yaml": ("deployment.yaml", ("--no-native",)),
}
_HELM_LINES = re.compile(
    r"^# Source: .*\n|^ +(helm\.sh/chart|app\.kubernetes\.io/(instance|managed-by)): .*\n", re.MULTILINE
)


def rendered() -> Iterator[tuple[Path, str]]:
    """Every made file below deploy/, with its content."""
    for component, templates in _COMPONENTS.items():
        yield DEPLOY / "components" / component / f"{component}.yaml", _from_chart(templates)
    for name, text in _patches():
        yield DEPLOY / "components" / "sidecar" / name, text
    for target, (source, flags) in _WRITTEN.items():
        path = DEPLOY / "examples" / "injected" / source
        yield DEPLOY / "examples" / "written" / target, _written(path, flags)


def _from_chart(templates: tuple[str, ...]) -> str:
    more = [f"--show-only={each}" for each in templates]
    text = template_text(_ETCD | {"metrics": _MONITORING, "route": {"enabled": True}}, (), more=more)
    made_by = _MADE_BY.format(source=f"{CHART.relative_to(ROOT)}/templates")
    return made_by + _HELM_LINES.sub("", text).removeprefix("---\n")


def _patches() -> Iterator[tuple[str, str]]:
    """The component's two patches: for a pod template, and for a pod. Its replacements fill in the two placeholders."""
    choices = Choices(
        image=f"leader-sidecar:{version('leader-sidecar')}",
        pull_policy="IfNotPresent",
        etcd_endpoints="from-settings",
        ttl="10",
        label_prefix="leader-sidecar",
        log_level="info",
        requests={"cpu": "10m", "memory": "80Mi"},
        limits={"memory": "160Mi"},
    )
    spec = {"initContainers": [container(Wish("from-settings"), choices)], "volumes": volumes(choices)}
    made_by = _MADE_BY.format(source="sidecar/inject/container.py")
    name = {"name": "any"}
    template = {"metadata": {"labels": {"leader-sidecar/inject": "from-settings"}}, "spec": spec}
    bodies = {
        "template.yaml": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": name,
            "spec": {"template": template},
        },
        "pod.yaml": {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": spec},
    }
    for file, body in bodies.items():
        yield file, made_by + yaml.safe_dump(body, sort_keys=False)


def _written(source: Path, flags: tuple[str, ...]) -> str:
    command = ["inject", "-f", str(source), "--etcd-endpoints=http://etcd:2379", *flags]
    done = CliRunner().invoke(cli, command, standalone_mode=False, catch_exceptions=False)
    options = " ".join(["--etcd-endpoints=http://etcd:2379", *flags])
    shown = source.relative_to(DEPLOY)
    return f"# Made: leader-sidecar inject -f {shown} {options}\n{done.stdout}"


def main() -> int:
    for path, text in rendered():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
