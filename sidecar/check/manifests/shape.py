"""Reading of objects whose shape nobody has checked: what is not of the kind asked for counts as absent."""

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def mapping(found: Any) -> Object:
    return found if isinstance(found, Mapping) else {}


def objects(found: Any) -> list[Object]:
    """The mappings of a list."""
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def texts(found: Any) -> list[str]:
    return [str(item) for item in found] if isinstance(found, list) else []


def inside(found: Any, *path: str) -> Object:
    """The mapping at the end of a path of keys, empty where there is none."""
    for key in path:
        found = mapping(found).get(key)
    return mapping(found)
