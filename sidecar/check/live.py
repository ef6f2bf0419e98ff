"""``check``: findings about the etcd, the Kubernetes API, the pod and the machine that a sidecar here would use."""

import asyncio
import os
from collections.abc import Mapping

from sidecar.check import etcd, kube, machine, routes
from sidecar.check import settings as rules
from sidecar.check.finding import Finding
from sidecar.check.manifests import container, gating, ports, selectors
from sidecar.check.manifests.shape import inside, objects
from sidecar.check.manifests.workload import workloads
from sidecar.check.report import Report
from sidecar.clock import SystemClock
from sidecar.election.label_scheme import Role
from sidecar.election.lease import attempt_seconds
from sidecar.errors import SettingError
from sidecar.etcd import survey as etcd_survey
from sidecar.etcd.settings import EtcdSettings
from sidecar.kube import survey as kube_survey
from sidecar.kube.access import from_kubeconfig, in_cluster
from sidecar.settings import Settings, read_etcd_password

OTHER_PREFIXES = ("leader-sidecar.meta/",)
"""What a candidate writes outside its lock."""


def check(settings: Settings) -> Report:
    """Look at everything that these settings name."""
    checked, skipped = ["settings", "this machine"], []
    findings = [*_told(settings), *machine.findings(settings)]
    pods: frozenset[str] | None = None
    if settings.labels or settings.route:
        try:
            seen = _ask_kubernetes(settings)
        except SettingError as error:
            findings += rules.refused("Kubernetes", [error])
        else:
            findings += _kubernetes(settings, seen)
            pods = seen.pods
            checked.append("Kubernetes")
    else:
        skipped.append("Kubernetes: labels are off, because this is no pod or --no-labels was given")
    try:
        survey = _ask_etcd(settings)
    except SettingError as error:
        findings += rules.refused("etcd", [error])
    else:
        findings += etcd.findings(survey, settings.ttl_seconds)
        if pods is not None:
            findings += etcd.strangers(
                survey.names, pods, named_cluster=bool(settings.cluster_name), default_lock=_has_default_lock(settings)
            )
        checked.append(f"etcd at {', '.join(member.where for member in survey.members)}")
    return Report(tuple(dict.fromkeys(findings)), tuple(checked), tuple(skipped))


def _told(settings: Settings) -> list[Finding]:
    choice = rules.EtcdChoice(
        settings.etcd_endpoints, bool(settings.etcd_user), settings.cluster_name, _has_default_lock(settings)
    )
    return [*rules.ttl("settings", settings.ttl_seconds), *rules.etcd_choice("settings", choice)]


def _has_default_lock(settings: Settings) -> bool:
    cluster = f"/{settings.cluster_name}" if settings.cluster_name else ""
    return settings.lock_name == f"/leader-sidecar{cluster}/{{namespace}}/{{election}}"


def _ask_etcd(settings: Settings) -> etcd_survey.Survey:
    told = EtcdSettings(
        endpoints=settings.etcd_endpoints,
        attempt_seconds=attempt_seconds(settings.ttl_seconds),
        cacert=settings.etcd_cacert,
        cert=settings.etcd_cert,
        key=settings.etcd_key,
        user=settings.etcd_user,
        password=(lambda: read_etcd_password(settings) or "") if settings.etcd_user else None,
    )
    lock = settings.lock(settings.election)
    return asyncio.run(
        etcd_survey.survey(
            told, lock=lock, other_prefixes=OTHER_PREFIXES, ttl_seconds=settings.ttl_seconds, clock=SystemClock()
        )
    )


def _ask_kubernetes(settings: Settings) -> kube_survey.Survey:
    access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(os.environ)
    writes = _writes(settings) if settings.labels else {}
    return kube_survey.survey(access, settings.namespace, settings.pod_name or "", writes, settings.route)


def _writes(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    """What the sidecar will write on its pod: the labels, by role."""
    fixed, extra = settings.label_key(settings.election), settings.label
    written: dict[str, Mapping[str, str]] = {}
    for role in Role:
        value = {} if extra is None else {extra.key: extra.leader if role is Role.LEADER else extra.follower}
        written[role] = {fixed: str(role), **value}
    return written


def _kubernetes(settings: Settings, seen: kube_survey.Survey) -> list[Finding]:
    found = list(
        kube.findings(
            seen,
            namespace=settings.namespace,
            pod_name=settings.pod_name or "",
            pod_uid=settings.pod_uid or "",
            labels=settings.labels,
            routes=bool(settings.route),
            rollouts=settings.follow_rollout,
        )
    )
    found += _route(settings, seen)
    keys = [settings.label_key(settings.election), *([settings.label.key] if settings.label else [])]
    for owner, selector in seen.owner_selectors.items():
        found += selectors.owner(owner, keys, selector)
    if seen.pod is None:
        return found
    for workload in workloads([{"kind": "Pod", **seen.pod}]):
        if workload.container is not None:
            found += container.in_pod(workload, workload.container)
        found += ports.findings(workload)
        found += gating.of_a_pod(workload)
    return found


def _route(settings: Settings, seen: kube_survey.Survey) -> list[Finding]:
    """Nothing where the API server did not let us look: missing rights are a finding of their own."""
    service, slices = seen.service, seen.slices
    if settings.route is None or service is None or slices is None or service.status not in (200, 404):
        return []
    pod_spec = inside(seen.pod, "spec")
    there = service.body if service.status == 200 else None
    return list(routes.in_cluster(settings.route, there, objects(slices.body.get("items")), pod_spec))
