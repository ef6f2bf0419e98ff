"""What an image weighs, and what of it is not its base's: ``python -m tests.image.size IMAGE BASE``."""

import argparse
import json
import sys
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes. ``compressed`` as a registry would keep it: each layer gzipped. ``unpacked``: of the files themselves."""

    compressed: int
    unpacked: int


def layers(archive: Path) -> dict[str, Size]:
    """By the digest of the layer's content."""
    with tarfile.open(archive) as image:
        manifest = json.load(_member(image, "manifest.json"))[0]
        digests = json.load(_member(image, manifest["Config"]))["rootfs"]["diff_ids"]
        return {
            digest: Size(_gzipped(_member(image, name)), _unpacked(_member(image, name)))
            for digest, name in zip(digests, manifest["Layers"], strict=True)
        }


def _member(image: tarfile.TarFile, name: str) -> IO[bytes]:
    found = image.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is no file of the archive")
    return found


def _gzipped(layer: IO[bytes]) -> int:
    press, size = zlib.compressobj(6, wbits=31), 0
    while chunk := layer.read(_CHUNK):
        size += len(press.compress(chunk))
    return size + len(press.flush())


def _unpacked(layer: IO[bytes]) -> int:
    with tarfile.open(fileobj=layer) as files:
        return sum(entry.size for entry in files)


def megabytes(sizes: list[Size]) -> dict[str, float]:
    return {
        "compressed_mb": round(sum(size.compressed for size in sizes) / _MB, 1),
        "unpacked_mb": round(sum(size.unpacked for size in sizes) / _MB, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.image.size")
    parser.add_argument("image", type=Path)
    parser.add_argument("base", type=Path)
    asked = parser.parse_args()
    whole, base = layers(asked.image), layers(asked.base)
    beyond = [size for digest, size in whole.items() if digest not in base]
    report = {"image": megabytes(list(whole.values())), "beyond_the_base": megabytes(beyond)}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
