"""TLS files: what is refused at the start, and what happens when they change."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from sidecar.errors import ExitCode, SettingError
from sidecar.etcd.endpoints import parse_endpoint
from sidecar.etcd.settings import EtcdSettings
from sidecar.etcd.tls import Credentials, TlsFiles, check_schemes, load, tls_files
from tests.support.certs import Authority

HTTPS = ("https://etcd:2379",)


def settings(cacert: Path | None = None, cert: Path | None = None, key: Path | None = None) -> EtcdSettings:
    return EtcdSettings(HTTPS, 1.0, cacert=cacert, cert=cert, key=key)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs its key") as refused:
        tls_files(settings(cert=tmp_path / "cert.pem"))
    assert (refused.value.setting, refused.value.exit_code) == ("--etcd-key", ExitCode.CONFIG)


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs its certificate") as refused:
        tls_files(settings(key=tmp_path / "key.pem"))
    assert refused.value.setting == "--etcd-cert"


def test_tls_files_with_a_plain_endpoint_are_refused(tmp_path: Path) -> None:
    endpoints = [parse_endpoint("https://a:1"), parse_endpoint("http://b:1")]
    check_schemes(endpoints, TlsFiles(None, None, None))
    with pytest.raises(SettingError, match="plain text") as refused:
        check_schemes(endpoints, TlsFiles(tmp_path / "ca.pem", None, None))
    assert refused.value.value == "http://b:1"


def test_good_files_are_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("client", "client.example")
    load(TlsFiles(authority.cacert, pair.cert, pair.key))
    load(TlsFiles(None, pair.cert, pair.key))
    load(TlsFiles(authority.cacert, None, None))


@pytest.mark.parametrize("setting", ["--etcd-cacert", "--etcd-cert", "--etcd-key"])
@pytest.mark.parametrize("fault", ["missing", "empty", "no PEM", "folder", "cut short"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path, setting: str, fault: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("client", "client.example")
    bad = {"--etcd-cacert": authority.cacert, "--etcd-cert": pair.cert, "--etcd-key": pair.key}[setting]
    whole = bad.read_bytes()
    bad.unlink()
    if fault == "folder":
        bad.mkdir()
    elif fault != "missing":
        bad.write_bytes(
            {"empty": b"", "no PEM": b"\x00\xffnot a PEM file", "cut short": whole[: len(whole) // 2]}[fault]
        )
    with pytest.raises(SettingError) as refused:
        load(TlsFiles(authority.cacert, pair.cert, pair.key))
    assert (refused.value.setting, refused.value.value) == (setting, str(bad))
    assert refused.value.exit_code is ExitCode.NO_INPUT


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.issue("one", "one.example"), authority.issue("other", "other.example")
    with pytest.raises(SettingError, match="is not the key of the certificate"):
        load(TlsFiles(authority.cacert, one.cert, other.key))


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    credentials = Credentials(TlsFiles(Authority(tmp_path).cacert, None, None))
    before = credentials.current
    assert credentials.refresh() is False
    assert credentials.current is before


def test_changed_files_give_new_credentials_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("client", "client.example")
    credentials = Credentials(TlsFiles(authority.cacert, pair.cert, pair.key))
    before = credentials.current
    authority.issue("client", "client.example")
    assert credentials.refresh() is True
    assert credentials.current is not before
    assert credentials.refresh() is False


def test_a_swapped_link_counts_as_a_change(tmp_path: Path) -> None:
    """How Kubernetes replaces a mounted secret: the files' folder is a link that is renamed over."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        shutil.copy(Authority(tmp_path / version).cacert, tmp_path / version / "tls.pem")
    (tmp_path / "data").symlink_to("one")
    credentials = Credentials(TlsFiles(tmp_path / "data" / "tls.pem", None, None))
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", tmp_path / "data")
    assert credentials.refresh() is True


def test_a_bad_new_file_leaves_the_old_credentials_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    good = authority.cacert.read_bytes()
    credentials = Credentials(TlsFiles(authority.cacert, None, None))
    before = credentials.current
    authority.cacert.write_bytes(b"half")
    with caplog.at_level(logging.WARNING):
        assert credentials.refresh() is False
        assert credentials.refresh() is False
    assert credentials.current is before
    assert len(caplog.records) == 1
    assert "--etcd-cacert" in caplog.text
    authority.cacert.write_bytes(good + good)
    assert credentials.refresh() is True
