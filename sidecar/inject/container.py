"""The sidecar's container and its volumes, as plain data in Kubernetes' form.

The same container is made by the chart's ``_container.tpl`` and ``injection.yaml`` and by deploy/components/sidecar.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sidecar.inject.wish import Wish
from sidecar.settings.declare import ENVIRONMENT_PREFIX

NAME = "leader-sidecar"

Object: TypeAlias = dict[str, Any]

_TOKEN = "leader-sidecar-token"  # noqa: S105 - a volume's name
_ETCD = "leader-sidecar-etcd"
_STATE = "leader-sidecar-state"
_ETCD_PATH = "/etc/leader-sidecar/etcd"
_STATE_PATH = "/var/run/leader-sidecar"
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_TOKEN_SECONDS = 3607
"""What Kubernetes asks for in the token that it mounts itself."""
_READABLE = 0o444
_USER = 65532
_PROBE = {"path": "/healthz", "port": "leader-health"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What holds for every sidecar; a pod's own wish goes first. Named and meant as in the chart's values.

    ``etcd_tls_secret`` and ``etcd_password_secret`` are Secrets in the workload's namespace. ``requests`` and
    ``limits`` have quantities by resource.
    """

    image: str
    pull_policy: str
    etcd_endpoints: str
    etcd_tls_secret: str = ""
    etcd_client_certificate: bool = False
    etcd_user: str = ""
    etcd_password_secret: str = ""
    ttl: str
    cluster_name: str = ""
    label_prefix: str
    log_level: str
    follow_rollout: bool = True
    resume: bool = False
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    native: bool = True


def container(wish: Wish, choices: Choices) -> Object:
    probes = {
        "startupProbe": {"httpGet": dict(_PROBE), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {"httpGet": dict(_PROBE), "periodSeconds": 10, "failureThreshold": 3},
    }
    form = {"restartPolicy": "Always", "args": ["run", "--native"]} if choices.native else {"args": ["run"]}
    return {
        "name": NAME,
        "image": choices.image,
        "imagePullPolicy": choices.pull_policy,
        **form,
        "env": [*_settings(wish, choices), *_password(choices), *_downward()],
        "ports": [{"name": "leader-health", "containerPort": 4041, "protocol": "TCP"}],
        **probes,
        "resources": {
            name: dict(given) for name, given in (("requests", choices.requests), ("limits", choices.limits)) if given
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": list(_mounts(choices)),
    }


def volumes(choices: Choices) -> list[Object]:
    """A token of the sidecar's own, whatever the pod does about its service account's; what else it is to have."""
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    token: Object = {
        "name": _TOKEN,
        "projected": {
            "defaultMode": _READABLE,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }
    made = [token]
    if choices.etcd_tls_secret:
        made.append({"name": _ETCD, "secret": {"secretName": choices.etcd_tls_secret, "defaultMode": _READABLE}})
    if choices.resume:
        made.append({"name": _STATE, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    return made


def _settings(wish: Wish, choices: Choices) -> Iterator[Object]:
    """In the order of the other forms; what is empty is left out."""
    tls = bool(choices.etcd_tls_secret)
    certificate = tls and choices.etcd_client_certificate
    given = {
        "ELECTION": wish.election,
        "ETCD_ENDPOINTS": wish.etcd_endpoints or choices.etcd_endpoints,
        "TTL": wish.ttl or choices.ttl,
        "CLUSTER_NAME": choices.cluster_name,
        "LOCK_NAME": wish.lock_name,
        "LABEL": wish.label,
        "ROUTE": wish.route,
        "LABEL_PREFIX": choices.label_prefix,
        "LOG_LEVEL": choices.log_level,
        "FOLLOW_ROLLOUT": "true" if choices.follow_rollout else "",
        "STATE_DIR": _STATE_PATH if choices.resume else "",
        "ETCD_CACERT": f"{_ETCD_PATH}/ca.crt" if tls else "",
        "ETCD_CERT": f"{_ETCD_PATH}/tls.crt" if certificate else "",
        "ETCD_KEY": f"{_ETCD_PATH}/tls.key" if certificate else "",
        "ETCD_USER": choices.etcd_user,
    }
    return ({"name": ENVIRONMENT_PREFIX + name, "value": value} for name, value in given.items() if value)


def _password(choices: Choices) -> Iterator[Object]:
    if choices.etcd_password_secret:
        reference = {"secretKeyRef": {"name": choices.etcd_password_secret, "key": "password"}}
        yield {"name": f"{ENVIRONMENT_PREFIX}ETCD_PASSWORD", "valueFrom": reference}


def _downward() -> Iterator[Object]:
    for name, field in (("POD_NAME", "name"), ("POD_NAMESPACE", "namespace"), ("POD_UID", "uid")):
        yield {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}}


def _mounts(choices: Choices) -> Iterator[Object]:
    yield {"name": _TOKEN, "mountPath": _TOKEN_PATH, "readOnly": True}
    if choices.etcd_tls_secret:
        yield {"name": _ETCD, "mountPath": _ETCD_PATH, "readOnly": True}
    if choices.resume:
        yield {"name": _STATE, "mountPath": _STATE_PATH}
