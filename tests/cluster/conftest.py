"""An API server with the chart's policy in force, and an etcd of the elections' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.children import Child
from tests.support.controlplane import ControlPlane, control_plane
from tests.support.etcd import Cluster, Programs
from tests.support.etcd import running as running_etcd
from tests.support.policy import apply_policy
from tests.support.tools import etcd_binary, etcdctl_binary, etcdutl_binary, kube_controller_manager_binary


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """One of these tests' own, since they restart it; with the chart's rights and policy in force."""
    with control_plane() as running:
        apply_policy(running, labels=["role=primary/replica"])
        yield running


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs = Programs(etcd_binary("3.6"), etcdctl_binary("3.6"), etcdutl_binary("3.6"))
    with running_etcd(Cluster(tmp_path_factory.mktemp("etcd"), programs=programs)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def slices(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With the controller that makes EndpointSlices of labels; pods become ready by the tests' own hands."""
    command: list[str | Path] = [
        kube_controller_manager_binary(),
        f"--kubeconfig={plane.admin_kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--controllers=endpointslice-controller",
    ]
    with Child("kube-controller-manager", command, tmp_path_factory.mktemp("controllers") / "log"):
        yield plane
