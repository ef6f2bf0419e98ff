"""A control plane with all that makes pods of Deployments: controllers, a scheduler, and kwok in the place of kubelets.

Real: the API server, the controllers, the scheduler. Not real: the nodes ``node-0`` and ``node-1``, whose pods run at
once and without containers (see kubelets.yaml); ``manual`` stays as ``control_plane`` has it. Left out on purpose are
the controllers that would take tests' pods away: pod garbage collection, node lifecycle and taint eviction.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.children import Child, Deadline
from tests.support.controlplane import ControlPlane, control_plane
from tests.support.tools import kube_controller_manager_binary, kube_scheduler_binary, kwok_binary

_STAGES = Path(__file__).with_name("kubelets.yaml")
_FAKE = "kwok.x-k8s.io/node"
_CONTROLLERS = (
    "clusterrole-aggregation",
    "daemonset",
    "deployment",
    "disruption",
    "endpoints",
    "endpointslice",
    "garbage-collector",
    "job",
    "namespace",
    "replicaset",
    "resourcequota",
    "root-ca-certificate-publisher",
    "serviceaccount",
    "statefulset",
    "validatingadmissionpolicy-status",
)
_PATIENCE_SECONDS = 120


@contextlib.contextmanager
def cluster(*, apiserver_flags: Sequence[str] = (), scheduler: bool = True) -> Iterator[ControlPlane]:
    """A new, empty one. Raises ``ToolMissing`` when its programs are not built.

    ``scheduler=False`` where the API server plays a version that the scheduler refuses: tests bind pods themselves.
    """
    with (
        control_plane(apiserver_flags=apiserver_flags) as plane,
        tempfile.TemporaryDirectory(prefix="cluster-") as name,
    ):
        folder = Path(name)
        for node in ("node-0", "node-1"):
            plane.must("POST", "/api/v1/nodes", {"metadata": {"name": node, "annotations": {_FAKE: "fake"}}})
        with contextlib.ExitStack() as children:
            for child in _children(plane, folder, scheduler=scheduler):
                children.enter_context(child)
            _wait_for_controllers(plane)
            yield plane


def _children(plane: ControlPlane, folder: Path, *, scheduler: bool) -> Iterator[Child]:
    kubeconfig = f"--kubeconfig={plane.admin_kubeconfig}"
    common = [kubeconfig, "--secure-port=0", "--leader-elect=false", "--kube-api-qps=500"]
    controllers = ",".join(f"{name}-controller" for name in _CONTROLLERS)
    manager: list[str | Path] = [
        kube_controller_manager_binary(),
        *common,
        f"--controllers={controllers}",
        f"--root-ca-file={plane.ca_file}",
    ]
    yield Child("kube-controller-manager", manager, folder / "kube-controller-manager.log")
    if scheduler:
        yield Child("kube-scheduler", [kube_scheduler_binary(), *common], folder / "kube-scheduler.log")
    kwok: list[str | Path] = [
        kwok_binary(),
        kubeconfig,
        f"--config={_STAGES}",
        "--cidr=10.244.0.0/16",
        f"--manage-nodes-with-annotation-selector={_FAKE}=fake",
        "--node-lease-duration-seconds=0",
    ]
    yield Child("kwok", kwok, folder / "kwok.log")


def _wait_for_controllers(plane: ControlPlane) -> None:
    """Until the controllers have given the namespace ``default`` what pods need."""
    deadline = Deadline(_PATIENCE_SECONDS, poll_seconds=0.1)
    while deadline.goes_on():
        if plane.request("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt").status == 200:
            return
    raise RuntimeError(f"no controllers after {_PATIENCE_SECONDS} s")
