"""The caller is an argument: one process can build use cases for several callers."""

import getpass
import os
from pathlib import Path

import pytest

from patchctl.cli.caller import this_process
from patchctl.errors import InvalidInputError, UsageError
from patchctl.wiring import fleet, guards, plan
from patchctl.wiring.caller import Caller
from patchctl.wiring.workspace import Access, open_workspace


def caller(folder: Path, **environment: str) -> Caller:
    return Caller(
        actor=f"{folder.name}@desk",
        folder=folder,
        environment={"PATH": os.environ["PATH"], "HOME": str(folder / "home"), **environment},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    (folder / "inventory").mkdir(parents=True)
    (folder / "patchctl.yml").touch()
    (folder / "inventory" / "hosts.yml").write_text("staging: {hosts: {web1: }}\n")
    return folder


@pytest.fixture
def people(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
    return tmp_path / "ann", tmp_path / "bob"


class TestTwoCallersOfOneProcess:
    def test_have_a_state_each(self, root: Path, people: tuple[Path, Path]) -> None:
        ann, bob = people
        mine = open_workspace(root, caller(ann, PATCHCTL_STATE="~/state"), trusted=True)
        yours = open_workspace(root, caller(bob), trusted=True)
        assert mine.state == ann / "home" / "state"
        assert yours.state == root / ".patchctl"

    def test_are_not_this_process(
        self, root: Path, people: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATCHCTL_STATE", "/nowhere/state")
        monkeypatch.setenv("CI", "true")
        monkeypatch.chdir("/")
        opened = open_workspace(Path("../fleet"), caller(people[0]), trusted=True)
        assert opened.root == root.resolve()
        assert opened.state == root / ".patchctl"
        (root / ".git").mkdir()
        guards.refuse_ephemeral_state(opened.root, opened.state, opened.caller)
        with pytest.raises(UsageError, match="CI is set"):
            guards.refuse_ephemeral_state(opened.root, opened.state, caller(people[1], CI="true"))

    def test_name_files_from_where_they_stand(self, root: Path, people: tuple[Path, Path]) -> None:
        ann, bob = people
        (ann / "hosts.yml").write_text("staging: {hosts: {a1: , a2: }}\n")
        (bob / "hosts.yml").write_text("staging: {hosts: {b1: }}\n")
        (ann / "some").write_text("a2\n")
        hosts_of_people = []
        for person in people:
            opened = open_workspace(
                root, caller(person), Access(sources=("hosts.yml",)), trusted=True
            )
            hosts_of_people.append([host.name for host in fleet.load(opened).fleet.hosts])
        assert hosts_of_people == [["a1", "a2"], ["b1"]]
        mine = open_workspace(root, caller(ann), Access(sources=("hosts.yml",)), trusted=True)
        assert fleet.limited(mine, fleet.load(mine).fleet, "@some") == ("a2",)
        with pytest.raises(InvalidInputError, match="@some: cannot be read"):
            yours = open_workspace(root, caller(bob), trusted=True)
            fleet.limited(yours, fleet.load(yours).fleet, "@some")

    def test_make_plans_in_their_own_name(self, root: Path, people: tuple[Path, Path]) -> None:
        for person in people:
            opened = open_workspace(root, caller(person), trusted=True)
            maker = plan.planner(opened, fleet.load(opened).fleet, lambda _: None)
            assert maker.by == f"{person.name}@desk"

    def test_read_inventories_in_their_own_environment(
        self, root: Path, people: tuple[Path, Path]
    ) -> None:
        program = root / "inventory" / "dynamic"
        program.write_text('#!/bin/sh\nprintf \'{"staging": {"hosts": ["%s"]}}\' "${SITE:-none}"\n')
        program.chmod(0o755)
        for person in people:
            opened = open_workspace(root, caller(person, SITE=person.name), trusted=True)
            assert person.name in {host.name for host in fleet.load(opened).fleet.hosts}

    def test_nothing_of_the_environment_is_shown(self, people: tuple[Path, Path]) -> None:
        assert "hunter2" not in repr(caller(people[0], TOKEN="hunter2"))


class TestThisProcess:
    def test_in_a_sudo_session_the_user_behind_it_acts(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SUDO_USER", "ann")
        monkeypatch.chdir(tmp_path)
        shell = this_process()
        assert shell.actor.startswith("ann@")
        assert shell.folder == tmp_path
        assert shell.environment["SUDO_USER"] == "ann"

    def test_a_user_without_a_name_has_a_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nobody() -> str:
            raise KeyError("getpwuid(): uid not found")

        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setattr(getpass, "getuser", nobody)
        assert this_process().actor.startswith(f"{os.getuid()}@")

    def test_a_folder_that_was_removed_keeps_its_name(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        monkeypatch.setenv("PWD", str(gone))
        gone.rmdir()
        assert this_process().folder == gone
