"""The labels of the pods in an election, from the Kubernetes API, with the rights that the sidecar beside us has."""

import asyncio
import os
from collections.abc import Mapping

from sidecar.election.label_scheme import Role
from sidecar.errors import KubeError, SettingError
from sidecar.settings import InvalidSettings, Settings, Surroundings, build
from sidecar.settings.build import Given


def read_labels(
    beside: Mapping[str, Given], surroundings: Surroundings, election: str
) -> tuple[Mapping[str, str], str | None]:
    """Label by pod name, and why there is none; no reason where no label is kept from here."""
    try:
        settings = build(beside, surroundings)
    except InvalidSettings:  # run elsewhere than in the sidecar's container: what it was told is not known
        return {}, None
    if not settings.labels:
        return {}, None
    try:
        return asyncio.run(_read(settings, settings.label_key(election))), None
    except (KubeError, SettingError) as error:
        return {}, str(error)


async def _read(settings: Settings, key: str) -> dict[str, str]:
    from sidecar.kube.access import from_kubeconfig, in_cluster
    from sidecar.kube.client import KubePods

    access = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster(os.environ)
    pods = KubePods(access, settings.namespace, "leader-sidecar")
    try:
        selector = f"{key} in ({','.join(Role)})"
        return {pod.name: pod.labels[key] for pod in await pods.select(selector, cached=True)}
    finally:
        pods.close()
