"""The state diagram in docs/ is the transition table's."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_diagram_is_generated_from_the_table_as_it_is_now() -> None:
    page = runpy.run_path(str(DOCS / "make_state_diagram.py"))["page"]
    assert (DOCS / "states.md").read_text() == page(), "run: python docs/make_state_diagram.py"
