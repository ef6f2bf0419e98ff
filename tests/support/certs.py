"""A certificate authority for tests, and what it signs, as PEM files."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class KeyPair:
    cert: Path
    key: Path


class Authority:
    """Files go to ``folder``; issuing again under the same file name replaces them."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.cacert = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.cacert)

    def issue(self, file_name: str, *identities: str) -> KeyPair:
        """A certificate for host names, IP addresses or, for clients, anything that looks like a name."""
        leaf = self._ca.issue_cert(*identities)
        pair = KeyPair(self._folder / f"{file_name}.pem", self._folder / f"{file_name}.key")
        leaf.private_key_pem.write_to_path(pair.key)
        pair.cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return pair
