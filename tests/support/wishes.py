"""Labels and annotations by which pods ask for a sidecar: what is accepted, and what is refused with which word.

The same tables hold for the chart's policies and for ``leader-sidecar inject``.
"""

from dataclasses import dataclass, field

ACCEPTED_ELECTIONS = ["e", "e-1", "a.b", "0", "x" * 57]
REFUSED_ELECTIONS = ["E", "e_1", "inject", "e.token", "x" * 58]

NAME, KNOWN, TTL, LOCK, ENDPOINTS, LABEL = "election", "known", "ttl", "lock-name", "etcd-endpoints", "label"
ROUTE = "route"


@dataclass(frozen=True)
class Asked:
    """Annotations below ``leader-sidecar/``; ``refused`` is what is wrong with them, None where nothing is."""

    annotations: dict[str, str] = field(default_factory=dict)
    refused: str | None = None

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.annotations.items())


ASKED = [
    Asked({"ttl": "2"}),
    Asked({"ttl": "600"}),
    Asked({"lock-name": "/my-app/leader-lock"}),
    Asked({"lock-name": "/x/{namespace}/{election}"}),
    Asked({"etcd-endpoints": "http://a:1"}),
    Asked({"etcd-endpoints": "https://a.b:2379,https://[::1]:2379/"}),
    Asked({"label": "role=primary/replica"}),
    Asked({"label": "shop.example/leads=yes/no"}),
    Asked({"ttl": "1"}, TTL),
    Asked({"ttl": "0"}, TTL),
    Asked({"ttl": "-5"}, TTL),
    Asked({"ttl": "10s"}, TTL),
    Asked({"ttl": "1.5"}, TTL),
    Asked({"ttl": ""}, TTL),
    Asked({"ttl": "99999999999"}, TTL),
    Asked({"lock-name": ""}, LOCK),
    Asked({"lock-name": "leader-sidecar.meta/x"}, LOCK),
    Asked({"lock-name": "a\nb"}, LOCK),
    Asked({"etcd-endpoints": ""}, ENDPOINTS),
    Asked({"etcd-endpoints": "a:1"}, ENDPOINTS),
    Asked({"etcd-endpoints": "http://a"}, ENDPOINTS),
    Asked({"etcd-endpoints": "ftp://a:1"}, ENDPOINTS),
    Asked({"etcd-endpoints": "http://user:secret@a:1"}, ENDPOINTS),
    Asked({"etcd-endpoints": "http://a:1/path"}, ENDPOINTS),
    Asked({"etcd-endpoints": "http://a:1?x"}, ENDPOINTS),
    Asked({"label": "role"}, LABEL),
    Asked({"label": ""}, LABEL),
    Asked({"label": "role=primary"}, LABEL),
    Asked({"label": "role=a/a"}, LABEL),
    Asked({"label": "ro le=a/b"}, LABEL),
    Asked({"label": "role.token=a/b"}, LABEL),
    Asked({"label": "leader-sidecar/x=a/b"}, LABEL),
    Asked({"label": "x" * 58 + "=a/b"}, LABEL),
    Asked({"route": "web-leader"}),
    Asked({"route": "x" * 63}),
    Asked({"route": ""}, ROUTE),
    Asked({"route": "Web"}, ROUTE),
    Asked({"route": "shop/web"}, ROUTE),
    Asked({"route": "x" * 64}, ROUTE),
    Asked({"tll": "10"}, KNOWN),
    Asked({"inject": "e"}, KNOWN),
]
