"""Writes docs/configuration.md from the settings' declarations: ``python docs/make_configuration.py``."""

from pathlib import Path

from sidecar.settings import DECLARATIONS, Declaration

PAGE = Path(__file__).with_name("configuration.md")
HEAD = """# Configuration

Generated from `sidecar/settings/table.py`; change that, and run `make docs`.

Every setting of `leader-sidecar run`, and of `exec` on its own, is a flag and an environment variable; a flag wins, and
an empty variable counts as not set. Lists are separated by commas, switches are `true` or `false`. Unknown variables
are ignored, because Kubernetes makes some of its own for a Service called `leader-sidecar`. Whatever is wrong is said
at start, all of it at once, one line each: setting, value, mend.

"""
TAIL = """
## From the downward API

| variable | used for |
|---|---|
| `POD_NAME` | the candidate's name, and the pod whose label is kept |
| `POD_NAMESPACE` | the default lock name; without it the service account's namespace, else `default` |
| `POD_UID` | makes sure that the labelled pod is this one, not a later one of the same name; needed with labels |

## Timings that are refused

| setting | rule |
|---|---|
| `--ttl` | whole seconds, at least 2; below 6 a warning: an etcd election alone takes 1 to 3 seconds |
| `--max-promise` | more than 0, at most the TTL less its margin of a tenth: no renewal holds longer |
| `--drain-timeout` | at least `--max-promise`: a promise handed out must have passed before the lock goes |

## Exit codes

| code | when |
|---|---|
| 0 | told to stop, and stopped |
| 64 | wrong usage: an unknown flag, no election, no etcd endpoint |
| 66 | a file that cannot be read, or written |
| 69 | nothing there to talk to: `resign` or `status` without a sidecar, `demo` without an etcd |
| 71 | a port that cannot be had |
| 70 | `exec`: its guard was killed |
| 75 | `resign` on a pod that does not lead; `wait` whose time is up |
| 77 | etcd refuses the user or the password |
| 78 | a setting that cannot work; an error that `check` found |

`exec` ends with [its command's code](exec.md#signals-process-1-exit-codes).
"""


def page() -> str:
    rows = "".join(row(declaration) for declaration in DECLARATIONS.values())
    return f"{HEAD}| flag | environment | default | meaning |\n|---|---|---|---|\n{rows}{TAIL}"


def row(declaration: Declaration) -> str:
    default = "required" if declaration.default_text is None else declaration.default_text
    unit = f" {declaration.unit}" if declaration.unit and default.replace(".", "").isdigit() else ""
    cells = [flag(declaration), f"`{declaration.environment}`", default + unit, declaration.help]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def flag(declaration: Declaration) -> str:
    if declaration.secret:
        return "no flag: it would show in the process list"
    if declaration.switch:
        return f"`{declaration.flag}`, `--no-{declaration.name}`"
    return f"`{declaration.flag} {'|'.join(declaration.choices) or declaration.metavar}`"


if __name__ == "__main__":
    PAGE.write_text(page())
