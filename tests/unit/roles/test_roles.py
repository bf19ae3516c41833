"""Rules for all roles, checked in their files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from patchctl.plan.managers import DECISIONS

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if path.is_dir())
# Set by the controller for every role, so no role has a default of its own for them.
SHARED = {
    "patch_payload_file",
    "patch_push_file",
    "patch_output_dir",
    "patch_timeout",
    "patch_requests",
}


def load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def options(role: Path) -> dict[str, Any]:
    specs = load(role / "meta/argument_specs.yml").get("argument_specs", {})
    return {
        name: option for spec in specs.values() for name, option in spec.get("options", {}).items()
    }


def dependencies(role: Path) -> list[str]:
    return [
        dependency["role"] for dependency in load(role / "meta/main.yml").get("dependencies", [])
    ]


def defaults(role: Path) -> dict[str, Any]:
    """Return the defaults of the role and of the roles it depends on."""
    values: dict[str, Any] = {}
    for name in dependencies(role):
        values |= defaults(role.parent / name)
    return values | load(role / "defaults/main.yml")


def variables(role: Path) -> dict[str, str]:
    """Return the vars of the role and of the roles it depends on, as text."""
    values: dict[str, str] = {}
    for name in dependencies(role):
        values |= variables(role.parent / name)
    return values | {key: str(value) for key, value in load(role / "vars/main.yml").items()}


def read_by(role: Path, entry: str) -> set[str]:
    """Return the arguments that a task file reads, with those of the files that it imports."""
    text = (role / "tasks" / f"{entry}.yml").read_text(encoding="utf-8")
    own = re.sub(r"^ *#.*$|^ *register: .*$", "", text, flags=re.MULTILINE)
    names = set(re.findall(r"\bpatch_[a-z_]+", own)) - OWN - ROLE_NAMES
    known = variables(role)
    while inner := names & known.keys():
        names -= inner
        names |= {name for file in inner for name in re.findall(r"\bpatch_[a-z_]+", known[file])}
        names -= ROLE_NAMES
    for imported in re.findall(r"import_tasks: (\w+)\.yml", own):
        names |= read_by(role, imported)
    return names


@pytest.mark.parametrize("role", ROLES, ids=lambda role: str(role.name))
class TestARole:
    def test_defaults_are_those_that_its_arguments_tell(self, role: Path) -> None:
        told = {key: it["default"] for key, it in options(role).items() if "default" in it}
        specs = load(role / "meta/argument_specs.yml").get("argument_specs", {})
        for spec in specs.values():  # a variable is the same at every entry point
            for key, option in spec["options"].items():
                same = options(role)[key] | {"description": option["description"]}
                assert same == option, key
        own = load(role / "defaults/main.yml")
        assert set(own) <= set(options(role))
        assert own == {key: value for key, value in told.items() if key in own}
        assert told == {key: value for key, value in defaults(role).items() if key in told}

    def test_arguments_carry_its_name_or_are_set_by_the_controller(self, role: Path) -> None:
        names = (role.name, *dependencies(role))
        assert {name for name in options(role) if not name.startswith(names)} <= SHARED

    def test_each_entry_point_tells_what_it_reads(self, role: Path) -> None:
        specs = load(role / "meta/argument_specs.yml").get("argument_specs", {})
        entries = {path.stem for path in (role / "tasks").glob("*.yml")}
        assert set(specs) == entries
        for entry in entries:
            told = set(specs[entry]["options"])
            assert read_by(role, entry) <= told, entry
            assert told - read_by(role, entry) <= EVERYWHERE, entry

    def test_takes_every_package_manager_that_there_is(self, role: Path) -> None:
        told = {key: it["choices"] for key, it in options(role).items() if key.endswith("_manager")}
        assert told == dict.fromkeys(told, sorted(manager.value for manager in DECISIONS))

    def test_runs_on_hosts_without_python(self, role: Path) -> None:
        """Only the plugins of patch_connection, which need a POSIX shell and nothing else."""
        for path in (role / "tasks").glob("*.yml"):
            for task in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
                modules = {key for key in task if key.startswith(("patch_", "ansible."))}
                assert modules <= CONTROLLER_SIDE | OWN, path

    def test_depends_on_the_role_with_the_plugins(self, role: Path) -> None:
        uses = any("patch_script" in path.read_text() for path in (role / "tasks").glob("*.yml"))
        assert not uses or {"patch_connection", "patch_transaction"} & set(dependencies(role))


ROLE_NAMES = {role.name for role in ROLES}
# A play tells all roles alike which package manager its hosts have.
EVERYWHERE = {"patch_transaction_manager"}
OWN = {"patch_script", "patch_together", "patch_push"}
# Actions that never reach a host.
CONTROLLER_SIDE = {
    f"ansible.builtin.{name}"
    for name in ("include_tasks", "import_tasks", "import_role", "include_role", "assert", "fail")
}
