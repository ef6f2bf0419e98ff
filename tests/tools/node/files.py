"""The node's configuration files, as text: nothing here touches a file."""

import json
from collections.abc import Mapping
from typing import Any

from tests.tools.node.place import API_SERVER, NODE_ADDRESS, PAUSE_IMAGE, POD_NETWORK, Place, program_folders

ADMIN, ADMINS = "admin", "system:masters"


def configuration(place: Place, tokens: Mapping[str, str], proxy: Mapping[str, Any]) -> dict[str, str]:
    """By file name. ``tokens`` are the admin's and the kubelet's; ``proxy`` is added to kube-proxy's settings."""
    kubelet = f"system:node:{place.name}"
    return {
        "tokens.csv": f"{tokens[ADMIN]},{ADMIN},1,{ADMINS}\n{tokens['kubelet']},{kubelet},2,system:nodes\n",
        place.admin_kubeconfig.name: _kubeconfig(place, tokens[ADMIN]),
        place.kubelet_kubeconfig.name: _kubeconfig(place, tokens["kubelet"]),
        "containerd.toml": _containerd(place),
        "cni/10-pods.conflist": json.dumps(_POD_NETWORK_CONFIGURATION),
        "Corefile": f".:53 {{\n  bind {NODE_ADDRESS}\n  kubernetes cluster.local {{\n"
        f"    kubeconfig {place.admin_kubeconfig}\n    ttl 1\n  }}\n}}\n",
        "audit.yaml": json.dumps(_AUDIT),
        "kubelet.yaml": json.dumps(_kubelet(place)),
        "kube-proxy.yaml": json.dumps(_proxy(place) | dict(proxy)),
    }


def _kubeconfig(place: Place, token: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "it", "cluster": {"server": API_SERVER, "certificate-authority": str(place.authority)}}
            ],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
    )


def _containerd(place: Place) -> str:
    plugins = json.dumps([str(folder) for folder in program_folders()])
    return f"""version = 3
root = "{place.folder}/containerd"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
# a test machine may not let anyone lower it
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = {plugins}
conf_dir = "{place.folder}/cni"
use_internal_loopback = true
"""


_POD_NETWORK_CONFIGURATION = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_NETWORK}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},  # the controllers'
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


def _kubelet(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "podLogsDir": f"{place.folder}/pods",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        # images cannot be fetched again, and the machine's disk and memory are not the node's
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "0%"},
    }


def _proxy(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(place.admin_kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": place.name,
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
