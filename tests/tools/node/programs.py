"""The node's programs and their arguments, in the order in which they are started."""

from tests.tools.node.place import NODE_ADDRESS, SERVICE_NETWORK, Place

Command = tuple[str, ...]


def commands(place: Place) -> list[Command]:
    folder = place.folder
    admin = f"--kubeconfig={place.admin_kubeconfig}"
    return [
        ("etcd", f"--data-dir={folder}/etcd", "--unsafe-no-fsync", "--log-level=warn"),
        ("containerd", f"--config={folder}/containerd.toml"),
        (
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--bind-address={NODE_ADDRESS}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--cert-dir={place.authority.parent}",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/accounts.key",
            f"--service-account-signing-key-file={folder}/accounts.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={folder}/audit.yaml",
            f"--audit-log-path={place.audit_log}",
        ),
        (
            "kube-controller-manager",
            admin,
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={folder}/accounts.key",
            f"--root-ca-file={place.authority}",
        ),
        ("kube-scheduler", admin, "--leader-elect=false"),
        (
            "kubelet",
            f"--config={folder}/kubelet.yaml",
            f"--kubeconfig={place.kubelet_kubeconfig}",
            f"--root-dir={folder}/kubelet",
            f"--hostname-override={place.name}",
            f"--node-ip={NODE_ADDRESS}",
        ),
        ("kube-proxy", f"--config={folder}/kube-proxy.yaml"),
        ("coredns", f"-conf={folder}/Corefile"),
    ]
