"""Who can write to a workspace: which permissions are refused, and which are accepted."""

import grp
import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from patchctl.adapters import ownership
from patchctl.adapters.ownership import problems, state_problems, trusted_users

ME = os.geteuid()
OTHER = 54_321
as_root = pytest.mark.skipif(ME != 0, reason="only root may give files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace that belongs to the user and that only the user can write to."""
    folder = tmp_path / "fleet"
    for name in ("inventory/group_vars/web", "hooks", "plans"):
        (folder / name).mkdir(parents=True)
    for name in ("patchctl.yml", "inventory/hosts.yml", "inventory/cloud.sh", "hooks/drain.yml",
                 "plans/x.lock", "inventory/group_vars/web/all.yml"):  # fmt: skip
        (folder / name).write_text("")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def named(root: Path, *sources: str) -> dict[str, str]:
    """Return the problems, by path below the workspace."""
    return {
        os.path.relpath(problem.path, root): problem.message for problem in problems(root, sources)
    }


class TestModes:
    def test_a_private_workspace_is_fine(self, root: Path) -> None:
        assert problems(root, ("inventory/", "web1,web2", "hooks/drain.yml", "missing")) == ()

    @pytest.mark.parametrize(
        "name",
        [".", "patchctl.yml", "inventory", "inventory/cloud.sh", "inventory/group_vars/web/all.yml",
         "inventory/group_vars", "hooks", "hooks/drain.yml", "plans", "plans/x.lock"],
    )  # fmt: skip
    def test_what_everybody_can_write_is_named(self, root: Path, name: str) -> None:
        (root / name).chmod(stat.S_IMODE((root / name).stat().st_mode) | 0o002)
        assert named(root) == {name: "everybody can write it"}

    def test_some_paths_can_be_judged_alone(self, root: Path) -> None:
        for name in ("inventory/hosts.yml", "hooks/drain.yml", "plans"):
            (root / name).chmod(0o777)
        problems = ownership.problems_of(root, ["hooks", "missing"], folders=[root / "plans"])
        assert {problem.path for problem in problems} == {
            f"{root}/hooks/drain.yml",
            f"{root}/plans",
        }
        (root / "plans").chmod(0o755)
        (root / "plans/x.lock").chmod(0o666)
        assert ownership.problems_of(root, [], folders=[root / "plans"]) == ()
        root.chmod(0o777)
        assert str(root) in {problem.path for problem in ownership.problems_of(root, ["plans"])}

    def test_what_the_workspace_does_not_read_is_nobodys_concern(self, root: Path) -> None:
        (root / "notes.txt").write_text("")
        (root / "notes.txt").chmod(0o666)
        assert named(root) == {}

    @pytest.mark.parametrize("name", ["group_vars", "host_vars", "approvers.yml", "exceptions.yml"])
    def test_so_is_what_it_reads_at_its_top(self, root: Path, name: str) -> None:
        (root / name).mkdir() if name.endswith("vars") else (root / name).touch()
        (root / name).chmod(0o777)
        assert set(named(root)) == {name}

    def test_a_sticky_folder_guards_names_above_but_not_sources_inside(self, root: Path) -> None:
        root.parent.chmod(0o1777)
        assert named(root) == {}
        (root / "inventory").chmod(0o1777)
        assert set(named(root)) == {"inventory"}

    def test_a_folder_above_that_others_can_write_lets_them_exchange_the_root(
        self, root: Path
    ) -> None:
        root.parent.chmod(0o777)
        assert named(root) == {"..": "everybody can write it"}

    def test_a_problem_says_how_to_fix_it(self, root: Path) -> None:
        (root / "hooks").chmod(0o777)
        (problem,) = problems(root)
        assert problem.hint == f"`chmod o-w {root / 'hooks'}`"
        assert str(problem) == f"{root / 'hooks'}: everybody can write it; {problem.hint}"


class TestGroups:
    """A group may write where ann (number 1001) is certainly its only member."""

    @pytest.mark.parametrize(
        ("gid", "name", "members", "primary", "fine"),
        [
            (1001, "ann", (), ("ann",), True),  # a private group, the default of many systems
            (1001, "ann", ("ann", "root"), ("ann",), True),
            (1001, "ann", ("bob",), ("ann",), False),
            (1001, "ann", (), ("ann", "bob"), False),
            (50_000, "domain users", (), ("ann",), False),  # a directory lists no members
            (100, "users", (), ("ann",), False),
            (50, "staff", (), (), True),  # of the system, and empty
            (50, "staff", ("bob",), (), False),
        ],
    )
    def test_who_is_in_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        gid: int,
        name: str,
        members: tuple[str, ...],
        primary: tuple[str, ...],
        fine: bool,
    ) -> None:
        people = {"root": 0, "ann": 1001, "bob": 1002}
        accounts = {
            uid: SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=gid if name in primary else 7)
            for name, uid in people.items()
        }
        group = SimpleNamespace(gr_name=name, gr_gid=gid, gr_mem=list(members))
        monkeypatch.setattr(grp, "getgrgid", lambda _: group)
        monkeypatch.setattr(pwd, "getpwall", lambda: list(accounts.values()))
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: accounts[uid])
        asked = ownership.only_members.__wrapped__  # past the cache, which other tests fill
        assert asked(gid, frozenset({0, 1001})) is fine

    def test_a_group_that_nobody_knows(self) -> None:
        assert not ownership.only_members(4_000_000_000, frozenset({0}))

    def test_its_answer_decides(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        (root / "hooks").chmod(0o775)
        monkeypatch.setattr(ownership, "only_members", lambda *_: True)
        assert named(root) == {}
        # An access list shows as the group's bits, and may name anybody.
        with monkeypatch.context() as patched:
            patched.setattr(os, "listxattr", lambda *_, **__: ["system.posix_acl_access"])
            assert set(named(root)) == {"hooks"}
        monkeypatch.setattr(ownership, "only_members", lambda *_: False)
        (problem,) = problems(root)
        assert problem.message.startswith("the group ")
        assert problem.hint == f"`chmod g-w {root / 'hooks'}`"


class TestOwners:
    @as_root
    @pytest.mark.parametrize("name", [".", "patchctl.yml", "inventory/cloud.sh", "hooks", ".."])
    def test_what_belongs_to_somebody_else_is_named(self, root: Path, name: str) -> None:
        os.chown(root / name, OTHER, -1)
        assert list(named(root).values()) == [
            f"belongs to user {OTHER}, neither to you nor to root"
        ]

    @as_root
    def test_in_a_sudo_session_the_caller_is_trusted(self, root: Path) -> None:
        os.chown(root, OTHER, -1)
        assert problems(root, users=trusted_users({"SUDO_UID": str(OTHER)})) == ()
        assert problems(root, users=trusted_users({"SUDO_UID": "1"})) != ()

    @pytest.mark.parametrize("text", ["", "-1", "x", "1 2", "٣", "9" * 40])
    def test_a_sudo_uid_that_is_none(self, text: str) -> None:
        assert trusted_users({"SUDO_UID": text}) == {0, ME}

    def test_only_root_is_somebody_elses_deputy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert trusted_users({"SUDO_UID": "1001"}) == {0, 1000}


class TestLinks:
    def test_the_target_is_judged_and_the_folders_that_lead_there(
        self, root: Path, tmp_path: Path
    ) -> None:
        shared = tmp_path / "shared" / "deep"
        shared.mkdir(parents=True, mode=0o755)
        (shared / "hosts.yml").touch(mode=0o644)
        (root / "inventory" / "more.yml").symlink_to(shared / "hosts.yml")
        assert named(root) == {}
        shared.parent.chmod(0o777)
        (shared / "hosts.yml").chmod(0o666)
        assert set(named(root)) == {"../shared", "../shared/deep/hosts.yml"}

    def test_a_linked_folder_is_walked_and_a_circle_ends(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "vars").mkdir(mode=0o755)
        (tmp_path / "vars" / "up").symlink_to(root)
        (tmp_path / "vars" / "x.yml").touch()
        (tmp_path / "vars" / "x.yml").chmod(0o666)
        (root / "inventory" / "host_vars").symlink_to(tmp_path / "vars")
        assert set(named(root)) == {"../vars/x.yml"}

    def test_a_link_to_nothing_and_a_socket_are_no_reason(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (root / "hooks" / "gone.yml").symlink_to("nowhere")
        monkeypatch.chdir(root / "hooks")  # a socket's path has at most 107 bytes
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("agent")
            Path("agent").chmod(0o600)
            assert named(root) == {}


class TestSources:
    def test_a_source_elsewhere_is_judged_with_the_variables_beside_it(
        self, root: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        (other / "group_vars").mkdir(parents=True)
        for path in (other, other / "group_vars"):
            path.chmod(0o755)
        (other / "hosts.ini").touch(mode=0o644)
        assert named(root, str(other / "hosts.ini")) == {}
        (other / "group_vars").chmod(0o777)
        assert set(named(root, str(other / "hosts.ini"))) == {"../other/group_vars"}

    def test_a_source_out_of_a_pipe_is_the_callers_own(self, root: Path) -> None:
        reading, writing = os.pipe()
        try:
            assert named(root, f"/dev/fd/{reading}") == {}
        finally:
            os.close(reading)
            os.close(writing)

    def test_more_files_than_anybody_judges_are_refused(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ownership, "_MOST", 4)
        (problem,) = problems(root)
        assert "more than 4 files" in problem.message

    def test_many_problems_are_counted(self, root: Path) -> None:
        for number in range(13):
            (root / "hooks" / f"{number}.yml").touch()
            (root / "hooks" / f"{number}.yml").chmod(0o666)
        lines = list(map(str, ownership.counted(problems(root))))
        assert len(lines) == 11
        assert lines[-1] == "and 3 more of this kind"


class TestState:
    def test_a_state_that_is_not_there_is_no_problem(self, tmp_path: Path) -> None:
        assert state_problems(tmp_path / "state") == ()

    @as_root
    @pytest.mark.parametrize("name", [".", "state.db"])
    def test_a_state_that_somebody_else_owns(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "state").mkdir(mode=0o700)
        (tmp_path / "state" / "state.db").touch(mode=0o600)
        assert state_problems(tmp_path / "state") == ()
        os.chown(tmp_path / "state" / name, OTHER, -1)
        assert len(state_problems(tmp_path / "state")) == 1

    def test_a_state_that_others_can_exchange(self, tmp_path: Path) -> None:
        (tmp_path / "open" / "state").mkdir(parents=True)
        (tmp_path / "open").chmod(0o777)
        assert [problem.path for problem in state_problems(tmp_path / "open" / "state")] == [
            f"{tmp_path}/open"
        ]


def patchctl(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "patchctl", *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )  # fmt: skip


class TestTheCommandLine:
    """The inventory source of this workspace is a program that leaves a trace when it runs."""

    @pytest.fixture
    def trap(self, root: Path) -> Iterator[Path]:
        trace = root / "trace"
        (root / "inventory" / "cloud.sh").write_text(
            f"""#!/bin/sh\ntouch {trace}\n"""
            """echo '{"web": {"hosts": ["a"]}, "_meta": {"hostvars": {}}}'\n"""
        )
        (root / "inventory" / "cloud.sh").chmod(0o755)
        (root / "inventory" / "hosts.yml").unlink()
        (root / "inventory").chmod(0o777)
        yield root
        (root / "inventory").chmod(0o755)

    @pytest.mark.parametrize(
        "verb",
        [("inventory", "list"), ("discover",), ("plan", "create"), ("rollout", "--yes"),
         ("rollout", "status"), ("audit", "verify"), ("host", "clean", "--yes")],
    )  # fmt: skip
    def test_nothing_of_a_foreign_workspace_runs(self, trap: Path, verb: tuple[str, ...]) -> None:
        # Not even its settings are read: these would be an error of their own.
        (trap / "patchctl.yml").write_text("wrong: [")
        done = patchctl("-C", str(trap), *verb)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            f"patchctl: {trap / 'inventory'}: everybody can write it; `chmod o-w"
            f" {trap / 'inventory'}`; or give --trust-workspace where that is meant"
        ]
        assert not (trap / "trace").exists()
        assert not (trap / ".patchctl").exists()

    def test_it_runs_where_that_is_said(self, trap: Path) -> None:
        done = patchctl("-C", str(trap), "--trust-workspace", "inventory", "list")
        assert done.returncode == 0, done.stderr
        assert (trap / "trace").exists()
        again = patchctl("-C", str(trap), "inventory", "list", PATCHCTL_TRUST_WORKSPACE="1")
        assert again.returncode == 0, again.stderr

    def test_what_a_hook_may_include_is_judged_too(self, trap: Path) -> None:
        (trap / "inventory").chmod(0o755)
        (trap / "balancer").mkdir(mode=0o755)
        for name in ("out.yml", "included.yml"):
            (trap / "balancer" / name).touch(mode=0o644)
        (trap / "patchctl.yml").write_text("hooks: {undrain: balancer/out.yml}\n")
        assert patchctl("-C", str(trap), "inventory", "list").returncode == 0
        (trap / "balancer/included.yml").chmod(0o666)
        done = patchctl("-C", str(trap), "inventory", "list")
        assert done.returncode == 2
        assert f"{trap / 'balancer/included.yml'}: everybody can write it" in done.stderr

    def test_a_source_on_the_command_line_is_judged_too(self, trap: Path, tmp_path: Path) -> None:
        (trap / "inventory").chmod(0o755)
        (tmp_path / "more").write_text("b\n")
        (tmp_path / "more").chmod(0o666)
        done = patchctl("-C", str(trap), "inventory", "list", "-i", str(tmp_path / "more"))
        assert done.returncode == 2
        assert f"{tmp_path / 'more'}: everybody can write it" in done.stderr
