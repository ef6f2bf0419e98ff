"""The chart, injection and deploy/: on a real control plane where they are marked ``tools``."""
