"""``--health-check``: asks the workload again and again, and stands in line only while it is healthy.

``sidecar.election.health`` decides; ``probe`` asks once, as kubelet would; ``checker`` does so in time.
"""
