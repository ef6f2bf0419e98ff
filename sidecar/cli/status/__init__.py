"""``leader-sidecar status``: asks the sidecar of this pod, and shows it to people or to programs."""
