"""What each package costs: memory and CPU of its import, alone and on top of those before it."""

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.bench.procfs import Memory

STEPS = {
    "asyncio": "import asyncio",
    "click": "import click",
    "pythonjsonlogger": "import pythonjsonlogger.json",
    "prometheus-client": "import prometheus_client",
    "grpcio (aio)": "import grpc.aio",
    "protobuf + etcd3": "import sidecar.etcd.protocol",
    "uvicorn": "import uvicorn.server, uvicorn.protocols.http.h11_impl",
    "starlette": "import starlette.applications, starlette.responses",
    "fastapi": "import fastapi",
    "the sidecar itself": "import sidecar.cli.main, sidecar.cli.run, sidecar.service",
    "kubernetes (ApiClient)": "import kubernetes.client.api_client, kubernetes.client.configuration",
    "kubernetes (kubeconfig)": "import kubernetes.config.kube_config",
}
"""In the order in which the sidecar comes to them; the last two only with labels on, the very last not in a cluster."""

_PROBE = """
import json, sys, time
from tests.bench.procfs import read_memory
import os
def look():
    memory = read_memory(os.getpid())
    return [memory.rss, memory.anonymous, time.process_time()]
seen = [look()]
for step in json.loads(sys.argv[1]):
    exec(step)
    seen.append(look())
print(json.dumps(seen))
"""

HOW = """\
One fresh Python each. 'alone': what the import adds to an interpreter that has done nothing but look at itself;
'on top': what it adds to all lines above. MiB."""


@dataclass(frozen=True, slots=True)
class Cost:
    """MiB and CPU milliseconds that an import adds."""

    package: str
    alone: Memory
    alone_cpu_ms: float
    on_top: Memory
    on_top_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Imports:
    bare: Memory
    costs: list[Cost]


def measure() -> Imports:
    together = _probe(list(STEPS.values()))
    costs = []
    for position, (package, step) in enumerate(STEPS.items()):
        alone, cpu = _added(_probe([step]), 0)
        on_top, on_top_cpu = _added(together, position)
        costs.append(Cost(package, alone, cpu, on_top, on_top_cpu))
    return Imports(Memory(together[0][0], together[0][1]), costs)


def _added(seen: list[list[float]], position: int) -> tuple[Memory, float]:
    before, after = seen[position], seen[position + 1]
    return Memory(after[0] - before[0], after[1] - before[1]), (after[2] - before[2]) * 1000


def _probe(steps: list[str]) -> list[list[float]]:
    """After nothing and after each step: RSS, anonymous, CPU seconds."""
    # -W ignore: what a package says about another at import is not measured here
    command = [sys.executable, "-W", "ignore", "-c", _PROBE, json.dumps(steps)]
    answer: list[list[float]] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return answer
