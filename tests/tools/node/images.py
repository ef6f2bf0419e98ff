"""An image from a folder, as a docker archive with one layer: for what no registry has."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def pack(name: str, program: Path, archive: Path, entrypoint: Sequence[str]) -> None:
    """An image that holds ``program`` alone, in its root."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as packed:
        packed.add(program, arcname=entrypoint[0].lstrip("/"))
    image = {
        "architecture": _ARCHITECTURES[os.uname().machine],
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as packed:
        for entry, content in (
            ("manifest.json", json.dumps(manifest).encode()),
            ("config.json", json.dumps(image).encode()),
            ("layer.tar", layer.getvalue()),
        ):
            member = tarfile.TarInfo(entry)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
