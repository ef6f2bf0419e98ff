"""Where the API is and who this process is: in a cluster by files, outside by a kubeconfig."""

import json
import os
from pathlib import Path

import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.kube.access import from_kubeconfig, in_cluster, inside_cluster
from tests.support.kube import write_kubeconfig


def service_account(folder: Path) -> Path:
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_text("an authority")
    return folder


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://10.0.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "https://10.0.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, "https://[fd00::1]:443"),
    ],
)
def test_in_a_cluster_the_environment_says_where_the_api_is(environ: dict[str, str], host: str, tmp_path: Path) -> None:
    access = in_cluster(environ, service_account(tmp_path))
    assert access.configuration.host == host
    assert access.configuration.ssl_ca_cert == str(tmp_path / "ca.crt")
    assert access.configuration.retries is False
    assert inside_cluster(environ)


def test_outside_a_cluster_the_environment_says_nothing() -> None:
    assert not inside_cluster({"HOME": "/"})


def test_a_token_that_kubelet_replaced_is_read_again(tmp_path: Path) -> None:
    access = in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, service_account(tmp_path))
    assert access.headers() == {"Authorization": "Bearer first"}
    (tmp_path / "new").write_text("second")
    (tmp_path / "new").rename(tmp_path / "token")
    assert access.headers() == {"Authorization": "Bearer second"}


def test_after_a_401_the_token_is_read_again_whatever_its_time(tmp_path: Path) -> None:
    access = in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, service_account(tmp_path))
    access.headers()
    before = (tmp_path / "token").stat()
    (tmp_path / "token").write_text("other")
    os.utime(tmp_path / "token", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert access.headers() == {"Authorization": "Bearer first"}
    access.renew()
    assert access.headers() == {"Authorization": "Bearer other"}


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_token_that_is_not_mounted_is_said_at_start(missing: str, tmp_path: Path) -> None:
    service_account(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(SettingError, match="mount the service account's token") as caught:
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    assert caught.value.exit_code is ExitCode.NO_INPUT


def test_a_kubeconfig_says_where_the_api_is_and_what_the_token_is(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1", "secret")
    access = from_kubeconfig(file)
    assert access.configuration.host == "http://127.0.0.1:1"
    assert access.headers() == {"Authorization": "Bearer secret"}
    write_kubeconfig(file, "http://127.0.0.1:1", "newer")
    access.renew()
    assert access.headers() == {"Authorization": "Bearer newer"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no YAML"),
        pytest.param(json.dumps({"kind": "Config"}), id="nothing in it"),
        pytest.param(
            json.dumps({"current-context": "x", "contexts": [], "clusters": [], "users": []}), id="no context"
        ),
    ],
)
def test_a_kubeconfig_that_names_nothing_to_use_is_said_at_start(content: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(SettingError, match="--kubeconfig") as caught:
        from_kubeconfig(file)
    assert caught.value.exit_code is ExitCode.NO_INPUT
    assert "\n" not in str(caught.value)


def test_a_kubeconfig_that_is_not_there_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--kubeconfig"):
        from_kubeconfig(tmp_path / "nothing")
