"""Every setting, declared once (``table``), read from flags and environment (``build``), checked (``checks``)."""

from sidecar.settings.build import InvalidSettings, build
from sidecar.settings.checks import cautions
from sidecar.settings.declare import Declaration, UserLabel
from sidecar.settings.password import read_etcd_password
from sidecar.settings.surroundings import Surroundings, cpu_quota_cores
from sidecar.settings.table import DECLARATIONS, Settings

__all__ = [
    "DECLARATIONS",
    "Declaration",
    "InvalidSettings",
    "Settings",
    "Surroundings",
    "UserLabel",
    "build",
    "cautions",
    "cpu_quota_cores",
    "read_etcd_password",
]
