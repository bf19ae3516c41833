"""The named sets of states, and the page that shows the tables."""

import ast
import subprocess
import sys
from pathlib import Path

from patchctl.models import states as sets
from patchctl.models.rollout import HostState
from patchctl.rollout import states


def test_the_page_of_states_is_that_of_the_tables() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(root / "scripts/states-page"), "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (root / "docs/states.md").read_text() == done.stdout, "make reference"


def test_the_named_sets_divide_the_states() -> None:
    assert sets.TERMINAL.isdisjoint(sets.BEGINS_NOTHING | sets.WAITING)
    assert sets.SETTLED | sets.IN_FLIGHT | {HostState.PENDING, HostState.DEFERRED} == set(HostState)
    assert sets.SETTLED.isdisjoint(sets.IN_FLIGHT)
    assert sets.HARMLESS.isdisjoint(sets.DISRUPTIVE)
    assert not any(states.HOST[state] - {HostState.ROLLING_BACK} for state in sets.KNOWN_END)


def test_nobody_else_writes_a_set_of_states_out() -> None:
    """Two states of one kind in a collection: such a set has a name and a place."""
    kinds = {"RunState", "RingState", "HostState", "Stage", "OutcomeStatus"}
    violations = []
    source = Path(states.__file__).parents[1]
    for file in sorted(source.rglob("*.py")):
        if file.name == "states.py":
            continue
        tree = list(ast.walk(ast.parse(file.read_text())))
        imported = {
            name.name
            for node in tree
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("models.rollout")
            for name in node.names
        }
        for node in tree:
            if isinstance(node, ast.Set | ast.Tuple | ast.List | ast.MatchOr):
                parts = node.patterns if isinstance(node, ast.MatchOr) else node.elts
                values = [
                    part.value if isinstance(part, ast.MatchValue) else part for part in parts
                ]
                names = [
                    value.value.id
                    for value in values
                    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name)
                ]
                if any(names.count(kind) > 1 for kind in kinds & imported):
                    violations.append(f"{file.relative_to(source)}:{node.lineno}")
    assert violations == []
