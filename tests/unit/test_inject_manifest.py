"""``leader-sidecar inject`` on text: what changes, and that all else stays as somebody wrote it."""

import difflib
from typing import Any

import pytest
import yaml

from sidecar.errors import SettingError
from sidecar.inject.container import Choices
from sidecar.inject.manifest import inject
from sidecar.settings import InvalidSettings

CHOICES = Choices(
    image="leader-sidecar:1",
    pull_policy="IfNotPresent",
    etcd_endpoints="http://etcd:2379",
    ttl="10",
    label_prefix="leader-sidecar",
    log_level="info",
    requests={"cpu": "10m"},
    limits={},
)

DEPLOYMENT = """\
# who wrote this had reasons
apiVersion: apps/v1
kind: Deployment # of the shop
metadata: {name: web, labels: {app: "web"}}
spec:
  replicas: 3
  selector:
    matchLabels: &labels
      app: web
  template:
    metadata:
      labels:
        # one label
        leader-sidecar/inject: worker
        app: web
    spec:
      containers:
      - name: web
        image: 'web:1' # pinned
        command: ["sh", -c, "a: b"]
        env:
        - name: TEXT
          value: |
            two
            lines
        - {name: ON, value: "on"}
        - {name: YES, value: 'yes'}
        - name: EMPTY
          value:
        - name: LONG
          value: "LONG"
      volumes:
      - name: secret
        secret: {secretName: s, defaultMode: 0644}
# the end
""".replace('"LONG"', '"' + " ".join(["long"] * 60) + '"')

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
    name: j
spec:
    template:
        metadata:
            labels: {leader-sidecar/inject: j}
        spec:
            restartPolicy: Never
            containers:
                - name: j
                  image: j
"""


def injected(text: str, choices: Choices = CHOICES) -> str:
    return inject(text, choices, "-")[0]


def removed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line.startswith("- ")]


def pod_of(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(text)
    return document["spec"]["template"] if document["kind"] != "Pod" else document


def test_lines_are_added_and_none_is_changed() -> None:
    assert removed(DEPLOYMENT.replace(" &labels", ""), injected(DEPLOYMENT)) == []


def test_a_pod_template_gets_container_volume_and_label() -> None:
    pod = pod_of(injected(DEPLOYMENT))
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["leader-sidecar"]
    assert [each["name"] for each in pod["spec"]["volumes"]] == ["secret", "leader-sidecar-token"]
    assert pod["metadata"]["labels"]["leader-sidecar/worker"] == "follower"


def test_a_second_time_changes_nothing() -> None:
    once = injected(DEPLOYMENT)
    assert injected(once) == once


def test_what_asks_for_nothing_is_not_even_read_anew() -> None:
    other = "kind:   ConfigMap   # so\nmetadata: {name:   x}\ndata:\n      odd:    'indents'\n"
    text = f"---\n{other}--- # more\n{other}---\n{DEPLOYMENT}---\n{other}"
    written = injected(text)
    assert written.startswith(f"---\n{other}--- # more\n{other}---\n")
    assert written.endswith(f"---\n{other}")


def test_objects_of_a_list_are_each_looked_at() -> None:
    items = [yaml.safe_load(DEPLOYMENT), {"kind": "Service"}]
    written, count = inject(yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": items}), CHOICES, "-")
    assert count == 1
    assert "initContainers" in yaml.safe_load(written)["items"][0]["spec"]["template"]["spec"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_workloads_of_each_kind(kind: str) -> None:
    assert "initContainers" in pod_of(injected(DEPLOYMENT.replace("kind: Deployment", f"kind: {kind}")))["spec"]


def test_a_job_and_a_wider_indent() -> None:
    written = injected(JOB)
    assert "initContainers" in pod_of(written)["spec"]


def test_a_pod() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"leader-sidecar/inject": "e"}},
        "spec": {"containers": [{"name": "c"}]},
    }
    assert "initContainers" in pod_of(injected(yaml.safe_dump(pod)))["spec"]


def test_other_kinds_stay_whatever_they_bear() -> None:
    text = DEPLOYMENT.replace("kind: Deployment", "kind: Rollout")
    assert inject(text, CHOICES, "-") == (text, 0)


def test_labels_shared_with_the_selector_are_not_shared_any_more() -> None:
    """With an alias, a label more on the pod would be one more in the selector."""
    text = """\
kind: Deployment
metadata: {name: web}
spec:
  selector:
    matchLabels: &labels
      app: web
      leader-sidecar/inject: worker
  template:
    metadata:
      labels: *labels
    spec:
      containers: [{name: web}]
"""
    document = yaml.safe_load(injected(text))
    assert document["spec"]["selector"]["matchLabels"] == {"app": "web", "leader-sidecar/inject": "worker"}
    assert document["spec"]["template"]["metadata"]["labels"]["leader-sidecar/worker"] == "follower"


def test_the_plain_form_stands_last_among_the_containers() -> None:
    plain = Choices(**{name: getattr(CHOICES, name) for name in Choices.__dataclass_fields__} | {"native": False})
    spec = pod_of(injected(DEPLOYMENT, plain))["spec"]
    assert [each["name"] for each in spec["containers"]] == ["web", "leader-sidecar"]
    assert spec["containers"][1]["args"] == ["run"]
    assert "restartPolicy" not in spec["containers"][1]
    assert "initContainers" not in spec


def test_everything_wrong_is_said_at_once() -> None:
    bad = DEPLOYMENT.replace("inject: worker", "inject: NO")
    worse = bad.replace("name: web", "name: store", 1).replace("name: secret\n", "name: leader-sidecar-token\n")
    with pytest.raises(InvalidSettings) as refused:
        injected(f"{bad}---\n{worse}")
    assert [error.setting for error in refused.value.errors] == [
        "Deployment/web: label leader-sidecar/inject",
        "Deployment/store: label leader-sidecar/inject",
        "Deployment/store: volume",
    ]


def test_the_node_s_network_is_refused() -> None:
    """Its ports would be the node's, and whoever is on the node could ask it to resign."""
    with pytest.raises(InvalidSettings, match="hostNetwork"):
        injected(DEPLOYMENT.replace("      containers:\n", "      hostNetwork: true\n      containers:\n"))


def test_etcd_must_be_named_somewhere() -> None:
    without = Choices(
        **{name: getattr(CHOICES, name) for name in Choices.__dataclass_fields__} | {"etcd_endpoints": ""}
    )
    with pytest.raises(InvalidSettings, match="etcd-endpoints"):
        injected(DEPLOYMENT, without)
    own = DEPLOYMENT.replace(
        "      labels:\n        # one",
        "      annotations: {leader-sidecar/etcd-endpoints: 'http://a:1'}\n      labels:\n        # one",
    )
    assert "value: http://a:1" in injected(own, without)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "a: 1\na: 2\n", "\tx: y"])
def test_what_is_no_yaml_is_said_to_be_none(text: str) -> None:
    with pytest.raises(SettingError, match="write YAML"):
        injected(text)


@pytest.mark.parametrize(
    "text", ["", "---\n", "just words\n", "[1, 2]\n", "kind: Deployment\n", "kind: Pod\nspec: 3\n"]
)
def test_what_is_no_workload_stays_as_it_is(text: str) -> None:
    assert inject(text, CHOICES, "-") == (text, 0)
