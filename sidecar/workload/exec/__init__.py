"""``leader-sidecar exec``: runs a command only while its pod leads, whether or not the command knows of it.

Three processes. The *supervisor* learns who leads, from the elector in its own process (``own``) or from the sidecar of
its pod (``client``), and decides what that means for the command (``course``). The *guard*, forked before anything
heavy is imported, starts the command, moves a timer with each deadline that it is told (``rules``), and kills when the
time is up: it needs nobody for that, so it happens in time while the supervisor is frozen, swapped out or stuck. The
*command* is the guard's child, dies with it (PDEATHSIG), and leaves nothing behind that runs.

All but ``own`` needs Python's standard library alone: ``pack`` makes one file of it for the workload's container.
"""
