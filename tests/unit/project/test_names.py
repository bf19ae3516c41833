"""Check the folders of tests, and refuse variable names that say nothing."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "patchctl"
UNIT = ROOT / "tests" / "unit"

# They say that there is something, not what it is.
EMPTY_WORDS = {"one", "found", "place"}
# Fields of JSON output keep their names, and what becomes one has its name.
FIELDS = {
    "models/advisory.py": {"place"},
    "models/feeds.py": {"place"},
    "models/verification.py": {"found"},
    "adapters/feeds/archives.py": {"place"},
    "assessment/feeds/interfaces.py": {"place"},
    "assessment/feeds/reading.py": {"place"},
}
# What is not a part of the package: the project as a whole, and scripts that run on hosts.
OTHER_FOLDERS = {"project", "roles"}
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])


def bound(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield (name, line) of each name that the code gives a variable, parameter or function."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.FunctionDef(name=name):
                yield name, node.lineno


def test_unit_tests_mirror_the_package() -> None:
    folders = {path.parent.relative_to(UNIT) for path in UNIT.rglob("test_*.py")}
    assert len(folders) > 20
    others = {folder for folder in folders if not (PACKAGE / folder).is_dir()}
    assert {str(folder) for folder in others} == OTHER_FOLDERS
    assert not list(UNIT.glob("test_*.py"))


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_what_is_bound_is_seen() -> None:
    tree = ast.parse("def one(found):\n    for place in (x := found): pass")
    assert [name for name, _ in bound(tree)] == ["one", "found", "place", "x"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_variable_says_what_it_holds(path: Path) -> None:
    fields = FIELDS.get(str(path.relative_to(PACKAGE)), set()) if PACKAGE in path.parents else set()
    names = list(bound(ast.parse(path.read_text())))
    assert [(name, line) for name, line in names if name in EMPTY_WORDS - fields] == []
    assert fields <= {name for name, _ in names}
