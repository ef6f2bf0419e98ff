"""A counter that checks fencing tokens, for the examples beside it to write to: python3 store.py [PORT]

`POST /tick?token=N` adds one, unless a higher token has been here before: then it is refused with 409. `GET /` tells
the count and the highest token. Each write and each refusal is a line on standard output.

What matters is in `tick`: comparing and writing are one step, and the token is kept with what it protects. Here both
are in memory. In a database they are two columns of one row, and the step is one statement:
UPDATE counters SET count = count + 1, token = :token WHERE name = :name AND token <= :token
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self.count = 0
        self.highest_token = 0

    def tick(self, token):
        """The new count; None when somebody with a higher token has written already."""
        with self._lock:
            if token < self.highest_token:
                print(f"refused token {token}, {self.highest_token} has been here", flush=True)
                return None
            self.count, self.highest_token = self.count + 1, token
            print(f"tick {self.count} by token {token}", flush=True)
            return self.count


class Handler(BaseHTTPRequestHandler):
    counter = Counter()

    def do_GET(self):
        self.answer(200, {"count": self.counter.count, "highest_token": self.counter.highest_token})

    def do_POST(self):
        token = self.path.removeprefix("/tick?token=")
        if not (token.isascii() and token.isdigit()):
            self.answer(404, {"title": "post to /tick?token=NUMBER"})
        elif (count := self.counter.tick(int(token))) is None:
            self.answer(409, {"title": "a higher token has been here"})
        else:
            self.answer(200, {"count": count})

    def answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        """The counter's own lines are enough."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    ThreadingHTTPServer(("", port), Handler).serve_forever()
