"""The test's workload, in a pod beside its sidecar: answers 200 only while the deadline that its sidecar stated holds.

The standard library alone: ``python3 workload.py``. It ends as soon as it is told to.
"""

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
HELD = {"until_ns": 0, "token": 0}
LOCK = threading.Lock()
ASKED = [0]


def clock_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def ask() -> None:
    """Learn the deadline and its token together; a sidecar that does not answer takes back nothing it has stated."""
    with LOCK:
        if clock_ns() - ASKED[0] < ASK_AGAIN_NS:
            return
        try:
            with urllib.request.urlopen("http://localhost:4040/leader", timeout=0.3) as answer:
                said = json.load(answer)
            HELD.update(until_ns=said["valid_until_boottime_ns"], token=said["token"])
        except urllib.error.HTTPError:  # 503: it does not lead
            HELD.update(until_ns=0, token=0)
        except OSError:
            pass
        ASKED[0] = clock_ns()


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
