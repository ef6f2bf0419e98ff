"""ask.py URL SECONDS: waits until the sidecar there leads and its label is in sync; 1 when the time is up."""

import sys
import time
import urllib.error
import urllib.request


def ask(path: str) -> str:
    """Status and body, or why there is none."""
    try:
        with urllib.request.urlopen(sys.argv[1] + path, timeout=5) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as refusal:
        return f"{refusal.code} {refusal.read().decode()}"
    except OSError as error:
        return f"no answer: {error}"


ends = time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    answers = {path: ask(path) for path in ("/leader", "/readyz?strict")}
    if all(answer.startswith("200 ") for answer in answers.values()):
        print("it leads, and the label says so:", answers["/leader"])
        sys.exit(0)
    time.sleep(1)
for path, answer in answers.items():
    print(f"GET {path}: {answer}")
print("503 of /leader: etcd does not answer, or refuses. 503 of /readyz?strict: the label is not in sync.")
print("See the log of the container leader-sidecar, and docs/kubernetes.md.")
sys.exit(1)
