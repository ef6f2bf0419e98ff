"""``check --offline``: findings in manifests, without a cluster and without etcd."""

from collections.abc import Iterable, Sequence

from sidecar.check import routes
from sidecar.check.finding import Finding, Id, warning
from sidecar.check.manifests import container, gating, ports, selectors
from sidecar.check.manifests.documents import load
from sidecar.check.manifests.shape import Object
from sidecar.check.manifests.workload import workloads
from sidecar.check.report import Report


def check_files(files: Sequence[str]) -> Report:
    """Raises ``SettingError`` for a file that cannot be read, or is no YAML."""
    return check_manifests(load(files), ", ".join(files))


def check_manifests(manifests: Sequence[Object], source: str) -> Report:
    found = list(workloads(manifests))
    if not found:
        mend = "name a container leader-sidecar, or label the pod template leader-sidecar/inject: ELECTION"
        nothing = warning(Id.NO_SIDECAR, source, "no workload has a sidecar, or asks for one", mend)
        return Report((nothing,), ())
    findings: list[Finding] = []
    for workload in found:
        findings += container.findings(workload)
        findings += ports.findings(workload)
        findings += selectors.findings(workload)
        findings += gating.findings(workload, manifests)
    findings += selectors.services(manifests, found)
    findings += selectors.shared(found)
    findings += routes.in_manifests(manifests, found)
    return Report(tuple(_once(findings)), tuple(workload.where for workload in found))


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """The same is said once, however many workloads lead to it."""
    return list(dict.fromkeys(findings))
