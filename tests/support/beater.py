"""A command for ``exec`` to run: writes down that it lives, every few milliseconds, and whatever happens to it.

``python -I -S beater.py FILE [stubborn] [family] [quits=CODE]``. Each line of FILE is ``<CLOCK_BOOTTIME ns> <pid>
<token> <what>``, appended in one write: ``start``, ``beat``, ``signal N``, ``end``. ``stubborn`` ignores TERM and INT;
``family`` has a child of a child in a session of its own, that beats as well; ``quits`` ends at once with that code.
Without any, TERM and INT end it with 3.
"""

import os
import signal
import sys
import time

TOKEN = os.environ.get("LEADER_SIDECAR_TOKEN", "0")


def note(what: str) -> None:
    at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    os.write(FILE, f"{at} {os.getpid()} {TOKEN} {what}\n".encode())


def on_signal(number: int, _frame: object) -> None:
    note(f"signal {number}")
    if number in (signal.SIGTERM, signal.SIGINT) and "stubborn" not in MODES:
        note("end")
        os._exit(3)


FILE = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
MODES = sys.argv[2:]
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
    signal.signal(each, on_signal)
note("start")
for mode in MODES:
    if mode.startswith("quits="):
        os._exit(int(mode.removeprefix("quits=")))
if "family" in MODES:
    child = os.fork()
    if child != 0:
        os.waitpid(child, 0)
    else:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
while True:
    note("beat")
    time.sleep(0.005)
