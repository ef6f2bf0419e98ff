"""The etcd user's password, read when it is needed: a mounted Secret may change."""

from sidecar.errors import ExitCode, SettingError
from sidecar.settings.table import Settings


def read_etcd_password(settings: Settings) -> str | None:
    """The password now, None where there is no user. Raises ``SettingError`` (66) when its file cannot be read."""
    path = settings.etcd_password_file
    if path is None:
        return settings.etcd_password
    try:
        return path.read_text().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        mend = "name a text file that this process may read"
        raise SettingError("--etcd-password-file", str(path), mend, exit_code=ExitCode.NO_INPUT) from error
