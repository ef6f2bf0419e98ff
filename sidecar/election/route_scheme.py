"""What a route is made of: a Service's slices, their one endpoint, and where its ports come from.

A slice is an EndpointSlice of this project's own, one for each address family, named after the Service. The token of
whoever wrote it stands in an annotation.
"""

from dataclasses import dataclass
from enum import StrEnum

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "leader-sidecar"
TOKEN_ANNOTATION = "leader-sidecar/token"  # noqa: S105 - an annotation's name


class Family(StrEnum):
    """Kubernetes' own words for an EndpointSlice's addressType."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a slice. ``name`` and ``app_protocol`` are empty when absent."""

    name: str
    protocol: str
    number: int
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod behind a Service, by its address of one family. ``node`` is empty when unknown."""

    address: str
    pod: str
    uid: str
    node: str
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice as an answer of the API server shows it. ``version`` is its resourceVersion, empty when there is none.

    ``token`` is 0 when absent. ``endpoints`` has more than one only where somebody else wrote. ``owner`` is the uid of
    the Service that owns it: with that Service it goes.
    """

    family: Family
    version: str = ""
    token: int = 0
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of the Service. ``target`` is a number, or the name of a container's port."""

    name: str
    protocol: str
    target: int | str
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """What a route needs of the Service. ``families`` is empty where the API server says none: then all serve."""

    uid: str
    ports: tuple[ServicePort, ...]
    families: tuple[Family, ...]
    has_selector: bool


@dataclass(frozen=True, slots=True)
class ContainerPort:
    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the own pod can be reached. ``addresses`` is empty until kubelet has told the API server."""

    name: str
    uid: str
    node: str
    addresses: tuple[str, ...]
    ports: tuple[ContainerPort, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What a leader's slices say: its endpoints, at most one for each family, and the Service's ports.

    ``unresolved`` are names of target ports that no container of the pod has: they are left out.
    """

    service_uid: str
    endpoints: tuple[tuple[Family, Endpoint], ...]
    ports: tuple[Port, ...]
    unresolved: tuple[str, ...] = ()
    has_selector: bool = False

    def endpoint(self, family: Family) -> Endpoint | None:
        return dict(self.endpoints).get(family)


def aim(service: Service, place: Place) -> Target:
    """What the Service asks for, on this pod. Ports as Kubernetes' own controller resolves them (FindPort)."""
    ports: list[Port] = []
    unresolved: list[str] = []
    for port in service.ports:
        number = _resolve(port, place)
        if number is None:
            unresolved.append(str(port.target))
        else:
            ports.append(Port(port.name, port.protocol, number, port.app_protocol))
    endpoints: dict[Family, Endpoint] = {}
    for address in place.addresses:
        family = Family.IPV6 if ":" in address else Family.IPV4
        if family in (service.families or tuple(Family)):
            endpoints.setdefault(family, Endpoint(address, place.name, place.uid, place.node))
    ordered = tuple((family, endpoints[family]) for family in Family if family in endpoints)
    return Target(service.uid, ordered, tuple(ports), tuple(unresolved), service.has_selector)


def slice_name(service: str, family: Family) -> str:
    return f"{service}-leader-sidecar-{family.lower()}"


def names(found: Slice, uid: str) -> bool:
    """Whether this slice sends anything to the pod with this uid."""
    return any(endpoint.uid == uid for endpoint in found.endpoints)


def names_another(found: Slice, uid: str) -> bool:
    return any(endpoint.uid != uid for endpoint in found.endpoints)


def _resolve(port: ServicePort, place: Place) -> int | None:
    if isinstance(port.target, int):
        return port.target
    found = (each.number for each in place.ports if each.name == port.target and each.protocol == port.protocol)
    return next(found, None)
