"""Exactly one pod leads: a sidecar that holds an etcd lease and lock on behalf of its pod.

What is promised: while one sidecar's plain ``GET /leader`` says 200, valid for V ms, no other sidecar of the election
says 200 before V ms have passed since that request was sent. What is not: mutual exclusion of side effects (pass the
fencing token on to whatever you write to), and more availability than etcd has.

Which clock is trusted: ``CLOCK_BOOTTIME`` of this machine alone, injected everywhere; two machines' clocks may drift
apart by less than the margin (a tenth of the TTL). Wall time only ever shortens a leadership.
"""

__version__ = "0.1.0"
