"""Puts the sidecar into manifests, for clusters that cannot inject it themselves (Kubernetes before 1.36).

What it makes is what the chart's MutatingAdmissionPolicy makes (helm/leader-sidecar/templates/injection.yaml), to the
letter; tests/chart compares them.
"""
