"""All package managers do the same things and obey one contract, read from the scripts."""

import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from host_shells import LIBRARY, ROLES

from patchctl.assessment.findings.compliance import SCHEMES
from patchctl.discovery.managers import READERS
from patchctl.models.facts import PackageManager
from patchctl.plan.managers import DECISIONS
from patchctl.protocol.managers import MODULES

# Roles whose scripts are put together with a package manager's files.
NEUTRAL_ROLES = ("transaction", "apply", "verify", "reboot", "rollback")
SCRIPTS = sorted(ROLES.glob("*/files/*.sh"))
MANAGERS = sorted(
    {match[1] for path in SCRIPTS if (match := re.match(r"manager_([a-z]+)", path.name))}
)
NEUTRAL = [
    path
    for role in NEUTRAL_ROLES
    for path in sorted((ROLES / f"patch_{role}/files").glob("*.sh"))
    if not path.name.startswith("manager_")
]
FUNCTION = re.compile(r"^([a-z_][a-z_0-9]*)\(\) [({]", re.MULTILINE)
CONSTANT = re.compile(r"^([A-Z][A-Z_]*)=", re.MULTILINE)


def code(path: Path) -> str:
    """Return the script without comments."""
    return re.sub(r"^\s*#.*$|\s# .*$", "", path.read_text(), flags=re.MULTILINE)


def contract() -> tuple[set[str], set[str]]:
    """Return the functions and constants that the header of packages.sh lists."""
    header = (LIBRARY / "packages.sh").read_text().split("The contract of a package manager")[1]
    names = re.findall(r"^#   ([A-Za-z_]+)(?: \S+)*?  +\S", header.split("\n\n")[0], re.MULTILINE)
    return {name for name in names if name.islower()}, {name for name in names if name.isupper()}


def manager_files(manager: str) -> list[Path]:
    return [path for path in SCRIPTS if re.match(rf"manager_{manager}[_.]", path.name)]


def test_there_are_managers_and_a_contract() -> None:
    functions, constants = contract()
    assert "apt" in MANAGERS
    assert {"need_manager", "list_installed", "simulate", "force_back"} <= functions
    assert {"MANAGER", "FILE_NAME", "QUERY"} <= constants
    assert 15 <= len(functions) <= 25


@pytest.mark.parametrize("manager", MANAGERS)
class TestAManager:
    def test_defines_the_contract_and_else_only_what_bears_its_name(self, manager: str) -> None:
        functions, constants = contract()
        text = "\n".join(path.read_text() for path in manager_files(manager))
        own = f"{manager}_"
        assert {it for it in FUNCTION.findall(text) if not it.startswith(own)} == functions
        assert {it for it in CONSTANT.findall(text) if not it.startswith(own.upper())} == constants

    def test_says_its_name(self, manager: str) -> None:
        text = "\n".join(path.read_text() for path in manager_files(manager))
        assert f"\nMANAGER={manager}\n" in text

    def test_both_sides_know_how_it_is_repaired(self, manager: str) -> None:
        text = "\n".join(path.read_text() for path in manager_files(manager))
        assert f"\nREPAIR='{DECISIONS[PackageManager(manager)].repair}'\n" in text

    def test_its_files_have_at_most_500_lines(self, manager: str) -> None:
        for path in manager_files(manager):
            assert len(path.read_text().splitlines()) <= 500, path.name


def questions() -> set[str]:
    """What the header of host_rules.sh lists."""
    header = (ROLES / "patch_connection/files/host_rules.sh").read_text().split("\n\n")[0]
    return set(re.findall(r"^#   ([a-z_]+)  +\S", header, re.MULTILINE))


@pytest.mark.parametrize("manager", [it for it in PackageManager if it is not PackageManager.NONE])
class TestAManagerIsWhole:
    """CONTRIBUTING's list of what one needs, so that no part of it is forgotten."""

    @pytest.mark.parametrize("table", [MODULES, READERS, DECISIONS, SCHEMES])
    def test_has_its_row(self, manager: PackageManager, table: Mapping[str, object]) -> None:
        assert manager in table

    @pytest.mark.parametrize(
        "path",
        [
            "patch_transaction/files/manager_NAME.sh",
            "patch_connection/files/host_NAME.sh",
            "patch_connection/files/manager_NAME_cause.sh",
            "patch_connection/files/manager_NAME_settings.sh",
            "patch_discover/files/discover_NAME.sh",
            "patch_resolve/files/NAME.sh",
            "patch_resolve/files/NAME_excluded.sh",
            "patch_fetch/files/NAME.sh",
        ],
    )
    def test_has_its_script(self, manager: PackageManager, path: str) -> None:
        assert (ROLES / path.replace("NAME", manager)).is_file()

    def test_answers_the_questions_of_host_rules(self, manager: PackageManager) -> None:
        text = (ROLES / f"patch_connection/files/host_{manager}.sh").read_text()
        assert len(questions()) == 5
        assert {f"{manager}_{question}" for question in questions()} <= {*FUNCTION.findall(text)}

    def test_is_told_from_others_by_discovery(self, manager: PackageManager) -> None:
        text = (ROLES / "patch_discover/files/which_manager.sh").read_text()
        assert f"manager={manager};" in text
        for task in ("main", "together"):
            scripts = (ROLES / f"patch_discover/tasks/{task}.yml").read_text()
            assert f"host_{manager}.sh" in scripts
            assert f"discover_{manager}.sh" in scripts

    def test_is_put_together_for_transactions(self, manager: PackageManager) -> None:
        variables = yaml.safe_load((ROLES / "patch_transaction/vars/main.yml").read_text())
        named = {Path(path).name for path in variables["patch_transaction_managers"][manager]}
        own = {path.name for path in manager_files(manager)}
        # The braces of Jinja stand before a name without a slash.
        assert {name.rpartition("}}")[2].strip() for name in named} == {f"host_{manager}.sh", *own}


@pytest.mark.parametrize("path", NEUTRAL, ids=lambda path: str(path.name))
def test_a_neutral_script_names_no_package_manager(path: Path) -> None:
    names = r"[\w-]*(?:apt|dpkg|ucf|dnf|zypper|\brpm)[\w-]*"
    assert re.findall(names, code(path), re.IGNORECASE) == []


def test_the_whole_contract_is_called() -> None:
    text = "\n".join(code(path) for path in NEUTRAL)
    for name in set.union(*contract()):
        assert re.search(rf"\b{name}\b", text), f"nothing calls {name}"


def test_a_function_has_one_meaning() -> None:
    """Scripts are put together, so a second function of a name would take the first one's place.
    Each ends with a main of its own; managers, of which one is taken, define the contract."""
    functions, _ = contract()
    files_of: dict[str, list[str]] = defaultdict(list)
    for path in SCRIPTS:
        for name in FUNCTION.findall(path.read_text()):
            if name != "main" and (name not in functions or "manager_" not in path.name):
                files_of[name].append(str(path.relative_to(ROLES)))
    assert {name: where for name, where in files_of.items() if len(where) > 1} == {}
    assert len(files_of) > 200
    assert not functions & files_of.keys()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROLES)))
def test_one_style(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert not [line for line in lines if "\t" in line and line != "TAB='\t'"]
    assert not [line for line in lines if line.startswith("function ")]
    assert not [line for line in lines if line.endswith(" |")], "a pipe begins the next line"
    for line, after in pairwise(lines):
        if FUNCTION.match(line) and not line.endswith(("}", ")")):
            assert re.match(r"  (?! )|$", after), f"{path.name}: {after} is not two columns in"
