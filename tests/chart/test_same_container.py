"""Injection, the chart's template, ``leader-sidecar inject`` and the kustomize component make the same container."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sidecar.cli.main import cli
from tests.support.children import Deadline
from tests.support.helm import ROOT, helm, kubectl, template
from tests.support.installed import INJECT, Installed, pod

pytestmark = pytest.mark.tools

PLAIN: dict[str, Any] = {"sidecar": {"etcd": {"endpoints": ["http://etcd:2379"]}}}
FULL: dict[str, Any] = {
    "image": {"repository": "registry.example/sidecar", "tag": "9", "pullPolicy": "Always"},
    "sidecar": {
        "etcd": {
            "endpoints": ["https://a:1", "https://b:2"],
            "tlsSecret": "etcd-tls",
            "clientCertificate": True,
            "user": "me",
            "passwordSecret": "etcd-password",
        },
        "clusterName": "it's \\ west",
        "ttlSeconds": 15,
        "labelPrefix": "shop.example",
        "logLevel": "debug",
        "followRollout": False,
        "resume": True,
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"cpu": "500m", "memory": "192Mi"}},
    },
}
SPARSE: dict[str, Any] = {
    "sidecar": {
        "etcd": {"endpoints": ["http://etcd:2379"]},
        "resources": {"requests": {"cpu": None, "memory": None}, "limits": {"memory": None}},
    }
}
ANNOTATED = {
    "leader-sidecar/ttl": "30",
    "leader-sidecar/lock-name": "/my/{namespace}/lock",
    "leader-sidecar/etcd-endpoints": "https://c:3",
    "leader-sidecar/label": "role=primary/replica",
    "leader-sidecar/route": "web-leader",
}


def flags(values: dict[str, Any]) -> list[str]:
    """The chart's values as flags of ``leader-sidecar inject``."""
    sidecar, image = values["sidecar"], values.get("image", {})
    etcd, resources = sidecar["etcd"], sidecar.get("resources", {})

    def quantities(which: str, default: str) -> str:
        given = resources.get(which)
        return ",".join(f"{k}={v}" for k, v in given.items() if v) if given is not None else default

    found = {
        "--etcd-endpoints": ",".join(etcd["endpoints"]),
        "--image": f"{image['repository']}:{image['tag']}" if image else "",
        "--image-pull-policy": image.get("pullPolicy", ""),
        "--etcd-tls-secret": etcd.get("tlsSecret", ""),
        "--etcd-user": etcd.get("user", ""),
        "--etcd-password-secret": etcd.get("passwordSecret", ""),
        "--cluster-name": sidecar.get("clusterName", ""),
        "--ttl": str(sidecar.get("ttlSeconds", "")),
        "--label-prefix": sidecar.get("labelPrefix", ""),
        "--log-level": sidecar.get("logLevel", ""),
    }
    listed = [f"{flag}={value}" for flag, value in found.items() if value]
    listed += [
        f"--requests={quantities('requests', 'cpu=10m,memory=80Mi')}",
        f"--limits={quantities('limits', 'memory=160Mi')}",
    ]
    listed += [] if sidecar.get("followRollout", True) else ["--no-follow-rollout"]
    listed += ["--resume"] if sidecar.get("resume") else []
    return listed + (["--etcd-client-certificate"] if etcd.get("clientCertificate") else [])


def by_command(asked: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    done = CliRunner().invoke(
        cli, ["inject", "-f", "-", *flags(values)], input=yaml.safe_dump(asked), standalone_mode=False
    )
    made: dict[str, Any] = yaml.safe_load(done.stdout)
    return made


def by_template(asked: dict[str, Any], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A chart that depends on ours and includes its two templates."""
    chart = folder / "parent"
    (chart / "templates").mkdir(parents=True)
    dependency = {
        "name": "leader-sidecar",
        "version": "0.1.0",
        "repository": f"file://{ROOT / 'helm' / 'leader-sidecar'}",
    }
    body = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(body))
    notes = asked["metadata"]["annotations"]
    given = {
        "election": asked["metadata"]["labels"][INJECT],
        "ttl": notes.get("leader-sidecar/ttl"),
        "lockName": notes.get("leader-sidecar/lock-name"),
        "label": notes.get("leader-sidecar/label"),
        "route": notes.get("leader-sidecar/route"),
        "endpoints": notes.get("leader-sidecar/etcd-endpoints"),
    }
    arguments = " ".join(f"{json.dumps(name)} {json.dumps(value)}" for name, value in given.items() if value)
    (chart / "templates" / "made.yaml").write_text(
        "kind: Made\ninitContainers:\n"
        f'  {{{{- include "leader-sidecar.container" (dict "root" $ {arguments}) | nindent 2 }}}}\n'
        "volumes:\n"
        '  {{- include "leader-sidecar.volumes" (dict "root" $) | nindent 2 }}\n'
    )
    helm("dependency", "update", str(chart), "--skip-refresh")
    off = {"rights": {"clusterRole": False}, "policy": {"enabled": False}, "injection": {"enabled": False}}
    [made] = template({"leader-sidecar": off | {"test": {"enabled": False}} | values}, chart=chart)
    spec = {**asked["spec"], "initContainers": made["initContainers"], "volumes": made["volumes"]}
    return {**asked, "spec": spec}


def by_component(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A kustomization that takes the component in, over a pod."""
    labelled = {**asked, "metadata": {**asked["metadata"]}}
    settings = ROOT / "deploy" / "examples" / "kustomize" / "settings.yaml"
    text = settings.read_text().replace("election: worker", f"election: {asked['metadata']['labels'][INJECT]}")
    (folder / "settings.yaml").write_text(text)
    (folder / "pod.yaml").write_text(yaml.safe_dump(labelled))
    component = ROOT / "deploy" / "components" / "sidecar"
    body = {"resources": ["pod.yaml", "settings.yaml"], "components": [_relative(component, folder)]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    made: dict[str, Any] = yaml.safe_load(kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)))
    return made


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def as_stored(chart: Installed, namespace: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The sidecar's container and volumes, as the API server fills them in."""
    answer = chart.dry_run(namespace, asked)
    assert answer.status == 201, answer
    spec = answer.body["spec"]
    volumes = {each["name"]: each for each in spec["volumes"] if each["name"].startswith("leader-sidecar-")}
    return {"containers": spec["initContainers"], "volumes": volumes}


@pytest.mark.parametrize(
    ("values", "annotations"),
    [(PLAIN, {}), (PLAIN, ANNOTATED), (FULL, {}), (FULL, ANNOTATED), (SPARSE, {})],
    ids=["plain", "plain, annotated", "full", "full, annotated", "no resources"],
)
def test_by_injection_template_and_command(
    chart: Installed, tmp_path: Path, values: dict[str, Any], annotations: dict[str, str]
) -> None:
    namespace = chart.namespace(standard="restricted")
    asked = pod("same", labels={INJECT: "worker"}, annotations=annotations)
    by_hand = as_stored(chart, namespace, by_command(asked, values))
    assert as_stored(chart, namespace, by_template(asked, values, tmp_path)) == by_hand
    chart.upgrade(values)
    deadline = Deadline(30, poll_seconds=0.1)
    made: dict[str, Any] = {}
    while deadline.goes_on():
        made = as_stored(chart, namespace, asked)
        if made == by_hand:
            return
    assert made == by_hand


def test_by_the_kustomize_component(chart: Installed, tmp_path: Path) -> None:
    namespace = chart.namespace(standard="restricted")
    asked = pod("same", labels={INJECT: "worker"})
    made = as_stored(chart, namespace, by_component(asked, tmp_path))
    assert made == as_stored(chart, namespace, by_command(asked, PLAIN))


def test_the_label_says_follower_from_the_start(chart: Installed) -> None:
    asked = pod("same", labels={INJECT: "worker", "leader-sidecar/worker": "leader"})
    namespace = chart.namespace()
    chart.upgrade(PLAIN)
    for made in (asked, by_command(asked, PLAIN)):
        assert chart.dry_run(namespace, made).body["metadata"]["labels"]["leader-sidecar/worker"] == "follower"
