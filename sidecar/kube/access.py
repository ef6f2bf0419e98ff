"""Where the Kubernetes API is and how this process proves who it is: in a cluster, or by a kubeconfig file.

``kubernetes`` is imported when it is first needed: without labels nobody pays its 20 MiB.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sidecar.bare import without_init
from sidecar.errors import ExitCode, SettingError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where kubelet mounts a pod's token, authority and namespace."""


class Access(Protocol):
    """``configuration`` is the client library's; ``headers`` are those that authenticate one request."""

    configuration: Any

    def headers(self) -> dict[str, str]:
        """Headers of the next request. Raises OSError when the token cannot be read."""

    def renew(self) -> None:
        """The API server answered 401: read the credentials again before the next request."""


class InCluster:
    """The pod's own service account. Kubelet replaces the token file: it is read again whenever it has changed."""

    def __init__(self, environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT) -> None:
        self.configuration = _bare_configuration()
        self.configuration.host = f"https://{_host(environ)}"
        self.configuration.ssl_ca_cert = str(directory / "ca.crt")
        self._token_file = directory / "token"
        self._token = ""
        self._read_at: tuple[int, int] | None = None

    def headers(self) -> dict[str, str]:
        stat = self._token_file.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._read_at:
            self._token = self._token_file.read_text(encoding="ascii").strip()
            self._read_at = stamp
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> None:
        self._read_at = None


class Kubeconfig:
    """The current context of a kubeconfig file, with whatever way of authenticating it names."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.configuration = _bare_configuration()
        self._load()

    def headers(self) -> dict[str, str]:
        settings = self.configuration.auth_settings().get("BearerToken")
        return {"Authorization": settings["value"]} if settings and settings["value"] else {}

    def renew(self) -> None:
        self._load()

    def _load(self) -> None:
        without_init("kubernetes")
        from kubernetes import config

        load: Any = config.load_kube_config
        load(config_file=str(self._file), client_configuration=self.configuration)


def inside_cluster(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a pod: kubelet tells every container where the API is."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def in_cluster(
    environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT, *, setting: str = "--labels"
) -> InCluster:
    """Access from within a pod, which ``setting`` asks for. Raises ``SettingError`` when what it needs is not there."""
    without = "set --no-labels" if setting == "--labels" else f"leave {setting} out"
    if not inside_cluster(environ):
        raise SettingError(setting, None, f"this is no pod: give --kubeconfig, or {without}")
    for file in (directory / "token", directory / "ca.crt"):
        if not os.access(file, os.R_OK):
            raise SettingError(
                setting,
                str(file),
                f"cannot be read: mount the service account's token into this container, or {without}",
                exit_code=ExitCode.NO_INPUT,
            )
    return InCluster(environ, directory)


def from_kubeconfig(file: Path) -> Kubeconfig:
    """Access by a kubeconfig file. Raises ``SettingError`` when it cannot be read or names nothing to use."""
    without_init("kubernetes")
    mend = "give a readable kubeconfig file whose current context names a cluster and a user"
    try:
        return Kubeconfig(file)
    except OSError as error:
        raise SettingError("--kubeconfig", str(file), mend, exit_code=ExitCode.NO_INPUT) from error
    except Exception as error:  # the loader raises its own errors, the parser's, and whatever a wrong shape leads to
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError("--kubeconfig", str(file), f"{mend} ({why})", exit_code=ExitCode.NO_INPUT) from error


def _host(environ: Mapping[str, str]) -> str:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bare_configuration() -> Any:
    without_init("kubernetes")
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    # urllib3 would repeat a write on its own: whether to repeat one is decided here, with what is then known.
    configuration.retries = False
    # The connection idles for minutes; a label that must go off should not be the first to find it dead.
    configuration.keep_alive = True
    return configuration
