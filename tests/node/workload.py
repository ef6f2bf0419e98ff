"""The test's workload, in a pod beside its sidecar: answers 200 only while it leads, as far as its sidecar tells.

The standard library alone: ``python3 workload.py``. It ends as soon as it is told to. ``ASKS=deadline``: it leads until
the deadline that the sidecar stated; a step-down waits for that. ``ASKS=verdict``: it leads as long as the sidecar says
so, which states no deadline then, so that nothing is waited for. ``POST /resign`` stops it, then has its sidecar
resign; ``POST /transfer/NAME`` has it hand over.
"""

import http.client
import http.server
import json
import os
import signal
import socketserver
import threading
import time
import urllib.error
import urllib.request

ASK_AGAIN_NS = 50_000_000
A_VERDICT_HOLDS_NS = 200_000_000
DEADLINES = os.environ["ASKS"] == "deadline"
URL = f"http://localhost:{4040 if DEADLINES else 4041}/leader"
HELD = {"until_ns": 0, "token": 0}
LOCK = threading.Lock()
ASKED = [0]
GIVING_UP = threading.Event()


def clock_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def ask() -> None:
    """Learn the deadline and its token together; a sidecar that does not answer takes back nothing it has stated."""
    with LOCK:
        asked_ns = clock_ns()
        if GIVING_UP.is_set() or asked_ns - ASKED[0] < ASK_AGAIN_NS:
            return
        try:
            with urllib.request.urlopen(URL, timeout=0.3) as answer:
                said = json.load(answer)
            until_ns = said["valid_until_boottime_ns"] if DEADLINES else asked_ns + A_VERDICT_HOLDS_NS
            HELD.update(until_ns=until_ns, token=said["token"])
        except urllib.error.HTTPError:  # 503: it does not lead
            HELD.update(until_ns=0, token=0)
        except OSError:
            pass
        ASKED[0] = clock_ns()


def give_up() -> int:
    """What the sidecar answers; until then this workload does not lead, whatever was stated."""
    GIVING_UP.set()
    with LOCK:
        HELD.update(until_ns=0, token=0)
    try:
        return tell("/resign", {})
    finally:
        GIVING_UP.clear()


def tell(path: str, body: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("localhost", 4040, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ask()
        with LOCK:
            until_ns, token = HELD["until_ns"], HELD["token"]
        leads = clock_ns() < until_ns
        body = json.dumps({"pod": os.environ["POD_NAME"], "token": token if leads else None}).encode()
        self.send_response(200 if leads else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        _, what, *name = self.path.split("/")
        status = give_up() if what == "resign" else tell("/transfer", {"to": name[0]})
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


# as a container's first process it would not end by SIGTERM unless it says so; blocked, so that sigwait gets it
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Thread(target=Server(("", 8080), Answer).serve_forever, daemon=True).start()
signal.sigwait({signal.SIGTERM})
os._exit(0)
