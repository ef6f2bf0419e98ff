"""Helm and kubectl against a control plane of the tests': nothing of the user's is read or touched."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.controlplane import ControlPlane
from tests.support.tools import helm_binary, kubectl_binary

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "leader-sidecar"
NAMESPACE = "leader-sidecar"
RELEASE = "leader-sidecar"

POLICIES = "admissionregistration.k8s.io/v1"
ALL_APIS = (
    f"{POLICIES}/ValidatingAdmissionPolicy",
    f"{POLICIES}/MutatingAdmissionPolicy",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
)
"""What a cluster has that can do all the chart can."""


class CommandFailed(Exception):
    """A program ended with another code than 0; the message is what it said."""


def scenario(name: str) -> Path:
    return CHART / "ci" / f"{name}-values.yaml"


def scenarios() -> list[str]:
    return sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


def template(
    values: Mapping[str, Any] | None = None,
    *,
    files: Sequence[Path] = (),
    apis: Sequence[str] = ALL_APIS,
    version: str = "1.36.3",
    chart: Path = CHART,
    more: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The chart's objects, rendered without a cluster. Raises ``CommandFailed``."""
    return [each for each in yaml.safe_load_all(template_text(values, files, apis, version, chart, more)) if each]


def template_text(
    values: Mapping[str, Any] | None,
    files: Sequence[Path],
    apis: Sequence[str] = ALL_APIS,
    version: str = "1.36.3",
    chart: Path = CHART,
    more: Sequence[str] = (),
) -> str:
    command = ["template", RELEASE, str(chart), f"--namespace={NAMESPACE}", f"--kube-version={version}", *more]
    command += [f"--api-versions={api}" for api in apis]
    command += [f"--values={path}" for path in files]
    return helm(*command, values=values)


def helm(*arguments: str, values: Mapping[str, Any] | None = None, plane: ControlPlane | None = None) -> str:
    """Its standard output. ``values`` go last and so win. Raises ``CommandFailed``."""
    command = [str(helm_binary()), *arguments]
    given = None
    if values is not None:
        command.append("--values=-")
        given = yaml.safe_dump(dict(values))
    return _run(command, plane, given)


def kubectl(*arguments: str, plane: ControlPlane | None = None, given: str | None = None) -> str:
    """Its standard output. ``given`` is its standard input. Raises ``CommandFailed``."""
    return _run([str(kubectl_binary()), *arguments], plane, given)


def _run(command: Sequence[str], plane: ControlPlane | None, given: str | None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
    # nobody there: a command that needs a cluster and was given none must fail, not find the user's
    environment["KUBECONFIG"] = str(plane.admin_kubeconfig) if plane else "/dev/null"
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1"
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command[:4])} ...: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr}")
    return done.stdout
