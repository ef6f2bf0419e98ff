"""The values of a fake election."""

from sidecar.errors import EtcdError, NotLeading, ValueChanged
from sidecar.etcd.port import Value


class FakeState:
    """Values in memory. ``error`` is raised instead of any answer; ``leads`` is what etcd would say."""

    def __init__(self, *, leads: bool) -> None:
        self.values: dict[str, Value] = {}
        self.revision = 40
        self.leads = leads
        self.error: EtcdError | None = None

    async def read(self, key: str) -> Value | None:
        if self.error is not None:
            raise self.error
        return self.values.get(key)

    async def write(self, key: str, content: bytes | None, *, revision: int) -> int:
        if self.error is not None:
            raise self.error
        if not self.leads:
            raise NotLeading
        if revision != (self.values[key].revision if key in self.values else 0):
            raise ValueChanged(f"{key} is another")
        self.revision += 1
        if content is None:
            del self.values[key]
        else:
            self.values[key] = Value(content, self.revision)
        return self.revision
