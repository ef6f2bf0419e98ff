"""Writes docs/states.md from the election's transition table: ``python docs/make_state_diagram.py``."""

from pathlib import Path

from sidecar.election.events import Phase
from sidecar.election.transitions import TABLE

PAGE = Path(__file__).with_name("states.md")
HEAD = """# States of a candidate

Generated from the transition table in `sidecar/election/transitions.py`; change the table, not this page. An arrow is
drawn where an event can lead to another phase; events that leave the phase as it is are left out. Outside, `claiming`
shows as `connecting`, `releasing` as `draining`, and `leading` past its validity as `unconfirmed`.

"""


def arrows() -> dict[tuple[Phase, Phase], list[str]]:
    """The events by which a phase can lead to another, in the table's order."""
    found: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), rule in TABLE.items():
        for target in sorted(rule.targets - {phase}):
            found.setdefault((phase, target), []).append(event.__name__)
    return found


def page() -> str:
    lines = [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in sorted(arrows().items())]
    diagram = ["```mermaid", "stateDiagram-v2", "    [*] --> connecting", *lines, "    stopped --> [*]", "```"]
    return HEAD + "\n".join(diagram) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
