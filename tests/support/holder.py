"""A workload that ties the lead to a connection: ``python -I -S holder.py PORT [KEEPS_SECONDS [waits]]``.

It prints ``<CLOCK_BOOTTIME> held`` when it has the first event, ``told`` at the first that says that the lead is over,
``ended`` when the stream ends, and ends itself KEEPS_SECONDS after being told, ``inf`` for never.
``waits``: it asks until its pod leads; else a refusal ends it.
"""

import http.client
import json
import sys
import time


def note(what: str) -> None:
    print(time.clock_gettime(time.CLOCK_BOOTTIME), what, flush=True)  # noqa: T201  # the test reads it


port, keeps_seconds = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
connection = http.client.HTTPConnection("127.0.0.1", port)


def ask() -> http.client.HTTPResponse:
    connection.request("GET", "/leader/hold")
    return connection.getresponse()


def ask_until_held() -> http.client.HTTPResponse:
    while True:
        try:
            answer = ask()
        except OSError:
            connection.close()
        else:
            if answer.status == http.client.OK:
                return answer
            answer.read()
        time.sleep(0.05)


answer = ask_until_held() if "waits" in sys.argv[3:] else ask()
if answer.status != http.client.OK:
    note(f"refused {answer.status}")
    sys.exit(1)
held = False
while line := answer.readline():
    if not line.startswith(b"data: "):
        continue
    leads = json.loads(line.removeprefix(b"data: "))["is_leader"]
    if leads and not held:
        held = True
        note("held")
    if not leads:
        note("told")
        if keeps_seconds < float("inf"):
            time.sleep(keeps_seconds)
            note("closes")
            sys.exit(0)
note("ended")
