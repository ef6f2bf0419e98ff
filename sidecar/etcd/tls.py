"""TLS towards etcd: reads CA, certificate and key, checks them, and reads them again when they change."""

import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from sidecar.errors import ExitCode, SettingError
from sidecar.etcd.endpoints import SETTING, Endpoint
from sidecar.etcd.settings import EtcdSettings

log = logging.getLogger(__name__)

CACERT, CERT, KEY = "--etcd-cacert", "--etcd-cert", "--etcd-key"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files. Without a CA the system's roots are used."""

    cacert: Path | None
    cert: Path | None
    key: Path | None

    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cacert, self.cert, self.key) if path is not None)


def tls_files(settings: EtcdSettings) -> TlsFiles:
    """Raises ``SettingError`` when certificate and key are not given together."""
    if settings.key is None and settings.cert is not None:
        raise SettingError(KEY, None, f"{CERT} needs its key: set both or neither")
    if settings.cert is None and settings.key is not None:
        raise SettingError(CERT, None, f"{KEY} needs its certificate: set both or neither")
    return TlsFiles(settings.cacert, settings.cert, settings.key)


def check_schemes(endpoints: Sequence[Endpoint], files: TlsFiles) -> None:
    """Raises ``SettingError`` when TLS files are given and an endpoint would be spoken to in plain text."""
    plain = [endpoint.url for endpoint in endpoints if not endpoint.secure]
    if plain and files.paths():
        raise SettingError(
            SETTING,
            plain[0],
            f"is plain text, but TLS files are given: use https://, or leave {CACERT}, {CERT}, {KEY} out",
        )


def load(files: TlsFiles) -> grpc.ChannelCredentials:
    """Raises ``SettingError`` (exit code 66) naming the file that cannot be used, and why."""
    roots = _system_roots() if files.cacert is None else _read(CACERT, files.cacert)
    if files.cacert is not None:
        _check_certificates(CACERT, files.cacert, roots or b"")
    if files.cert is None or files.key is None:
        return grpc.ssl_channel_credentials(root_certificates=roots)
    cert, key = _read(CERT, files.cert), _read(KEY, files.key)
    _check_certificates(CERT, files.cert, cert)
    _check_pair(files.cert, files.key)
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=key, certificate_chain=cert)


def _system_roots() -> bytes | None:
    """The machine's CA bundle; None (gRPC's own bundle) where there is no such file."""
    place = ssl.get_default_verify_paths().cafile
    if place is None:
        return None
    try:
        return Path(place).read_bytes() or None
    except OSError:
        return None


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(
            setting,
            str(path),
            f"cannot be read ({error.strerror}): name a PEM file that this user may read",
            exit_code=ExitCode.NO_INPUT,
        ) from error


def _check_certificates(setting: str, path: Path, pem: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise SettingError(
            setting, str(path), "holds no certificate: give certificates in PEM form", exit_code=ExitCode.NO_INPUT
        ) from error


def _check_pair(cert: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # an encrypted key would ask for its password on the terminal
        context.load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SettingError(
            KEY,
            str(key),
            f"is not the key of the certificate in {cert}, in PEM form and without a password: give that one",
            exit_code=ExitCode.NO_INPUT,
        ) from error


class Credentials:
    """The credentials for new channels, kept true to their files. A bad new file is logged and the old ones stay."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises ``SettingError``."""
        self._files = files
        self._loaded = self._refused = _fingerprint(files)
        self.current = load(files)

    def refresh(self) -> bool:
        """Read the files again if they changed; True if there are new credentials. A bad file is tried each time."""
        now = _fingerprint(self._files)
        if now == self._loaded:
            return False
        try:
            fresh = load(self._files)
        except SettingError as error:
            if now != self._refused:
                log.warning("changed TLS files cannot be used, the old ones stay for now: %s", error)
            self._refused = now
            return False
        if _fingerprint(self._files) != now:
            return False  # changed while being read: next time
        self.current, self._loaded = fresh, now
        log.info("TLS files have changed and were read again")
        return True


def _fingerprint(files: TlsFiles) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stat(path) for path in files.paths())


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # follows links: Kubernetes swaps a directory's link
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
