"""What a route's slices say: ports as Kubernetes resolves them, addresses by family, and the way to JSON and back."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.election.label_scheme import UNREADABLE
from sidecar.election.route_scheme import (
    ContainerPort,
    Endpoint,
    Family,
    Place,
    Port,
    Service,
    ServicePort,
    Slice,
    aim,
    slice_name,
)
from sidecar.errors import KubeUnavailable
from sidecar.kube.route import _understood, read_place, read_service, read_slice, write_slice

PLACE = Place("me", "uid-me", "n", ("10.0.0.1", "fd00::1"), (ContainerPort("web", "TCP", 80),))
SERVICE = Service("uid-s", (ServicePort("", "TCP", 8080),), (), has_selector=False)
SLICE = Slice(
    Family.IPV4,
    "5",
    7,
    (Endpoint("10.0.0.1", "me", "uid-me", "n"),),
    (Port("web", "TCP", 80, "http"), Port("dns", "UDP", 53)),
    "uid-s",
)


@pytest.mark.parametrize(
    ("port", "number"),
    [
        (ServicePort("a", "TCP", 8080), 8080),
        (ServicePort("a", "TCP", "web"), 80),
        (ServicePort("a", "UDP", "web"), None),
        (ServicePort("a", "TCP", "other"), None),
    ],
)
def test_a_target_port_is_a_number_or_a_containers_port_of_that_name_and_protocol(
    port: ServicePort, number: int | None
) -> None:
    target = aim(replace(SERVICE, ports=(port,)), PLACE)
    assert [each.number for each in target.ports] == ([] if number is None else [number])
    assert target.unresolved == ((str(port.target),) if number is None else ())


@pytest.mark.parametrize(
    ("families", "addresses"),
    [
        ((), {Family.IPV4: "10.0.0.1", Family.IPV6: "fd00::1"}),
        ((Family.IPV6,), {Family.IPV6: "fd00::1"}),
    ],
)
def test_each_family_that_pod_and_service_share_has_an_endpoint(
    families: tuple[Family, ...], addresses: dict[Family, str]
) -> None:
    target = aim(replace(SERVICE, families=families), PLACE)
    assert {family: endpoint.address for family, endpoint in target.endpoints} == addresses


def test_a_slice_is_read_as_it_was_written() -> None:
    written = write_slice(SLICE, name="s-leader-sidecar-ipv4", namespace="ns", service="s")
    written["metadata"]["resourceVersion"] = "5"
    assert read_slice(written) == SLICE
    assert written["endpoints"][0]["targetRef"] == {"kind": "Pod", "namespace": "ns", "name": "me", "uid": "uid-me"}
    assert written["endpoints"][0]["conditions"] == {"ready": True, "serving": True, "terminating": False}


@pytest.mark.parametrize(("text", "token"), [(None, 0), ("7", 7), ("seven", UNREADABLE), ("-1", UNREADABLE)])
def test_a_token_that_is_none_counts_as_higher_than_any(text: str | None, token: int) -> None:
    written = write_slice(SLICE, name="x", namespace="ns", service="s")
    written["metadata"].update(resourceVersion="5", annotations={} if text is None else {"leader-sidecar/token": text})
    assert read_slice(written).token == token


@pytest.mark.parametrize(
    "item", [None, {}, {"metadata": {}}, {"metadata": {"resourceVersion": "1"}, "addressType": "X"}]
)
def test_an_answer_that_is_no_slice_is_no_answer(item: Any) -> None:
    with pytest.raises(KubeUnavailable):
        _understood(read_slice, item)


def test_a_service_without_targets_aims_at_its_own_ports() -> None:
    spec = {"ports": [{"port": 80}, {"port": 53, "targetPort": "dns", "protocol": "UDP", "name": "d"}]}
    service = read_service({"metadata": {"uid": "u"}, "spec": spec})
    assert service.ports == (ServicePort("", "TCP", 80), ServicePort("d", "UDP", "dns"))
    assert not service.has_selector


def test_named_ports_are_those_of_containers_that_go_on_running() -> None:
    spec = {
        "nodeName": "n",
        "containers": [{"ports": [{"name": "web", "containerPort": 80}, {"containerPort": 81}]}],
        "initContainers": [
            {"ports": [{"name": "setup", "containerPort": 82}]},
            {"restartPolicy": "Always", "ports": [{"name": "proxy", "containerPort": 83, "protocol": "TCP"}]},
        ],
    }
    place = read_place(
        {"metadata": {"name": "me", "uid": "u"}, "spec": spec, "status": {"podIPs": [{"ip": "10.0.0.1"}]}}
    )
    assert place.ports == (ContainerPort("web", "TCP", 80), ContainerPort("proxy", "TCP", 83))
    assert place.addresses == ("10.0.0.1",)


def test_a_slice_is_named_after_service_and_family() -> None:
    assert [slice_name("s", family) for family in Family] == ["s-leader-sidecar-ipv4", "s-leader-sidecar-ipv6"]
