"""A real cluster of one node for tests: ``python -m tests.tools.node up | run CMD ... | load ARCHIVE | down``.

Kubelet, containerd with runc, kube-proxy and CoreDNS beside etcd and the control plane, all built from Go modules by
``tests.tools.build``. It lives in network, mount, PID and IPC namespaces of its own, with no way out of its network: no
port, address, rule or file of the machine's is used, but for its folder and its cgroups. Ending its first process ends
all of it. Needs root, Linux with overlayfs, nftables, veth, bridge and cgroup v1; and Debian's runc, nftables,
iproute2, procps, openssl.
"""
