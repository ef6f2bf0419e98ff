"""Ticks a counter in a store that checks tokens, only while this pod leads: python3 tick.py"""

import http.client
import json
import os
import signal
import sys
import time
from urllib.parse import urlsplit

SIDECAR = os.environ.get("LEADER_SIDECAR_URL", "http://localhost:4040")
STORE = os.environ.get("STORE_URL", "http://localhost:8080")
TICK_SECONDS = 0.5  # what a tick may take: none is started when less of the lead is left
PAUSE_SECONDS = 0.2


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # seconds; it counts suspend, too


def ask(method, url, timeout=1.0):
    """Status and body; 0 when no answer came."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request(method, f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def tick(token):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # a tick that has begun is finished
    # half of the time is for the connection, half for the answer
    status, body = ask("POST", f"{STORE}/tick?token={token}", TICK_SECONDS / 2)
    print(f"token {token}: {status or 'no answer'} {body.decode()}", flush=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    while True:
        sent = now()  # validity counts from here, however late the answer is read
        status, body = ask("GET", f"{SIDECAR}/leader")
        leader = json.loads(body or "{}")
        if status == 200 and now() + TICK_SECONDS < sent + leader["valid_for_ms"] / 1000:
            tick(leader["token"])  # a pause right here is what the token is for
        if status == 503:  # a follower waits here until something changes
            ask("GET", f"{SIDECAR}/leader?wait=30&since={leader['version']}", timeout=35)
        else:
            time.sleep(PAUSE_SECONDS)
finally:
    ask("POST", f"{SIDECAR}/resign")  # nothing is under way any more: the next one need not wait
