"""``leader-sidecar demo``: an etcd, three sidecars, and a view of who leads."""
