"""Code outside of the package managers' own files assumes no package manager.

Neutral code names neither apt and dpkg nor dnf, yum and rpm: what differs by package manager is in
its own files, or in one table by manager. Comments and docstrings may name them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_shells import ROLES

ROOT = ROLES.parent
SOURCE = ROOT / "src/patchctl"
NAMES = re.compile(r"(?<![A-Za-z0-9])(apt|dpkg|deb|dnf|yum|rpm)(?![A-Za-z0-9])", re.IGNORECASE)

# A file, or a folder that ends in `/`, with the reason.
OWN = {
    "protocol/apt.py": "apt's answers",
    "protocol/dnf.py": "dnf's answers",
    "discovery/parsers/apt.py": "apt's answers",
    "discovery/parsers/apt_lists.py": "apt's answers",
    "discovery/parsers/dpkg.py": "dpkg's answers",
    "discovery/parsers/dnf_lists.py": "dnf's answers",
    "discovery/parsers/dnf_hidden.py": "dnf's answers",
    "discovery/parsers/rpm.py": "rpm's and dnf's answers",
}
TABLES = {
    "models/facts.py": "PackageManager, the names themselves",
    "models/versions.py": "VersionScheme, the names themselves",
    "models/grammar.py": "what names and versions look like, by scheme",
    "models/kernel_names.py": "which names are kernels, by scheme",
    "models/host_rules.py": "answers that a test compares with host_NAME.sh",
    "protocol/managers.py": "the table of who reads a resolution",
    "plan/managers.py": "the table of decisions",
    "discovery/managers.py": "the table of who reads an answer",
    "discovery/parsers/stale.py": "logs of both, by manager",
    "discovery/parsers/updaters.py": "settings of both, by updater",
    "discovery/imported.py": "package lists in both schemes, from a file",
    "plan/undo.py": "what distributions add to an upstream version",
}
FORMATS = {
    "assessment/": "versions, sources and advisories in each scheme",
    "adapters/feeds/archives.py": "a .deb is an archive with a changelog",
    "adapters/ansible/static_sources.py": "endings that Ansible ignores",
    "inventory/source_map.py": "endings that Ansible ignores",
}
SAID = {
    "workflows/feeds/host_feeds.py": "only dnf's repositories publish advisories",
    "report/feeds_view.py": "says the same",
    "cli/feeds.py": "says the same",
    "adapters/ssh_keys.py": "what the controller itself lacks",
    "workflows/doctor/": "what the controller itself lacks; commands for a person",
    "cli/lab.py": "kinds of lab hosts",
    "lab/": "makes hosts of each kind",
}
ALLOWED = {**OWN, **TABLES, **FORMATS, **SAID}

# Scripts of roles that are no package manager's own.
SCRIPTS_ALLOWED = {
    "patch_discover/files/which_manager.sh": "says which one a host has",
    "patch_fetch/files/advisories.sh": "asks dnf, which alone has advisories",
}
OWN_SCRIPT = re.compile(r"(host|manager|discover)_(apt|dnf)[_.]|(apt|dnf)(_[a-z]+)?\.sh$")


def named(path: Path) -> Iterator[str]:
    """Return names of package managers in a module's identifiers and texts, not docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) in docstrings:
            continue
        for text in words(node):
            if NAMES.search(text.replace("_", " ")):
                yield f"line {getattr(node, 'lineno', 0)}: {text[:60]}"


def words(node: ast.AST) -> list[str]:
    """Return the identifiers and texts of one node."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return [name]
        case ast.alias(name=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(module=str() as name):
            return [name]
    return []


def is_allowed(path: str) -> bool:
    return any(path == name or (name[-1] == "/" and path.startswith(name)) for name in ALLOWED)


MODULES = {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}
NEUTRAL_MODULES = [name for name in MODULES if not is_allowed(name)]
SCRIPTS = {str(path.relative_to(ROLES)): path for path in sorted(ROLES.glob("*/files/*.sh"))}
NEUTRAL_SCRIPTS = [
    name
    for name in SCRIPTS
    if name not in SCRIPTS_ALLOWED and not OWN_SCRIPT.match(name.rpartition("/")[2])
]


@pytest.mark.parametrize("name", NEUTRAL_MODULES)
def test_a_neutral_module_names_no_package_manager(name: str) -> None:
    assert list(named(MODULES[name])) == []


@pytest.mark.parametrize("name", NEUTRAL_SCRIPTS)
def test_a_neutral_script_names_no_package_manager(name: str) -> None:
    code = re.sub(r"^\s*#.*$|\s# .*$", "", SCRIPTS[name].read_text(), flags=re.MULTILINE)
    naming = [line for line in code.splitlines() if NAMES.search(line.replace("_", " "))]
    assert naming == []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_there_and_needs_it(name: str) -> None:
    paths = [path for known, path in MODULES.items() if known == name or known.startswith(name)]
    assert any(list(named(path)) for path in paths)


@pytest.mark.parametrize("name", SCRIPTS_ALLOWED)
def test_a_script_that_is_allowed_to_needs_it(name: str) -> None:
    assert NAMES.search(SCRIPTS[name].read_text())


def test_most_code_is_neutral_and_all_is_looked_at() -> None:
    assert len(NEUTRAL_MODULES) > 250
    assert len(NEUTRAL_SCRIPTS) > 25
    assert {"plan/cohorts.py", "rollout/engine.py", "discovery/collect.py"} <= {*NEUTRAL_MODULES}
    assert "patch_connection/files/host_rules.sh" in NEUTRAL_SCRIPTS
    assert "patch_discover/files/discover.sh" in NEUTRAL_SCRIPTS
