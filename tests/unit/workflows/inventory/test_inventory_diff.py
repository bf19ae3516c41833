"""Compare an edit with a git revision: the comparison, the revision's files, what never runs."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from plan_world import facts, fleet, host, host_result, resolution, settings, snapshot, transition

from patchctl.adapters import git_archive
from patchctl.adapters.ansible import static_sources
from patchctl.errors import AdapterError, NotFoundError
from patchctl.inventory.diff import compare
from patchctl.models.fleet import Fleet, Host
from patchctl.models.fleet_diff import OtherChange, PlacedHost, RingMove
from patchctl.models.plan import Plan, PlanAbout, Selection, SelectionMode
from patchctl.plan.freeze import freeze, seal
from patchctl.workflows.inventory.diff import StoredPlan, broken_plans


def one_host(ring: str | None = "staging", *groups: str, **variables: Any) -> Fleet:
    """A fleet of one host, `a`."""
    return fleet(Host(name="a", ring=ring, ring_reason="", groups=groups, variables=variables))


class TestCompare:
    def test_the_same(self) -> None:
        assert not any(compare(one_host(x=1.5), one_host(x=1.5)))

    def test_hosts_that_appear_and_vanish(self) -> None:
        changes = compare(fleet(host("a"), host("b")), fleet(host("b"), host("c", None)))
        assert changes.appeared == (PlacedHost(host="c", ring=None),)
        assert changes.vanished == (PlacedHost(host="a", ring="staging"),)

    def test_a_host_that_moves_is_told_once(self) -> None:
        changes = compare(
            one_host("staging", patch_ring="staging"), one_host("canary", patch_ring="canary")
        )
        assert changes.moved == (RingMove(host="a", before="staging", after="canary"),)
        assert not changes.other
        assert not changes.connection

    def test_connection_variables(self) -> None:
        before = one_host(ansible_host="10.0.0.1", ansible_port=22)
        changes = compare(before, one_host(ansible_host="10.0.0.2", ansible_user="{{ x }}"))
        assert [(c.variable, c.before, c.after) for c in changes.connection] == [
            ("ansible_host", "10.0.0.1", "10.0.0.2"),
            ("ansible_port", "22", None),
            ("ansible_user", None, "{{ x }}"),
        ]

    @pytest.mark.parametrize("value", ["geheim", {"__ansible_vault": "00"}])
    def test_a_password_that_changes_is_told_and_not_shown(self, value: Any) -> None:
        changes = compare(one_host(ansible_password="old"), one_host(ansible_password=value))
        (change,) = changes.connection
        assert change.before == "(hidden)"
        assert change.after in ("(hidden)", "(vaulted)")

    def test_other_variables_by_name_and_groups(self) -> None:
        changes = compare(
            one_host("staging", "web", "x", v=1, w=1), one_host("staging", "db", "x", v=True)
        )
        assert changes.other == (
            OtherChange(
                host="a", groups_added=("db",), groups_removed=("web",), variables=("v", "w")
            ),
        )

    def test_where_the_checkout_lies_is_no_change(self) -> None:
        assert not any(compare(one_host(inventory_dir="/here"), one_host(inventory_dir="/there")))


class TestPlans:
    FLEET = fleet(host("a"), host("b"), host("c"))

    def plan(self, *names: str) -> StoredPlan:
        body = freeze(
            fleet=self.FLEET,
            snapshot=snapshot(*(host_result(name, facts()) for name in names)),
            selection=Selection(mode=SelectionMode.SECURITY),
            settings=settings(),
            resolutions=[resolution(name, transition("x")) for name in names],
            left_out=[],
        )
        plan: Plan = seal(body, PlanAbout(created=1, author="me", tool="patchctl"))
        return StoredPlan(plan, "plans/x.lock")

    def test_one_whose_host_changes_becomes_invalid(self) -> None:
        after = fleet(host("a"), host("b", "canary"), host("c"))
        (broken,) = broken_plans(
            [self.plan("a", "b"), self.plan("a", "c")], self.FLEET, after, partial=False
        )
        assert broken.digest == self.plan("a", "b").plan.digest
        assert (broken.path, broken.hosts) == ("plans/x.lock", ("b",))

    def test_one_whose_host_vanishes_becomes_invalid(self) -> None:
        (broken,) = broken_plans([self.plan("a")], self.FLEET, fleet(host("b")), partial=False)
        assert broken.hosts == ("a",)

    def test_one_that_did_not_fit_before_does_not_become_so(self) -> None:
        before = fleet(host("a", "production"))
        after = fleet(host("a", "canary"))
        assert broken_plans([self.plan("a")], before, after, partial=False) == []

    def test_where_sources_are_left_out_any_change_of_its_hosts_counts(self) -> None:
        before = fleet(host("a", "production"))
        after = fleet(host("a", "canary"))
        assert len(broken_plans([self.plan("a")], before, after, partial=True)) == 1
        assert broken_plans([self.plan("a")], before, before, partial=True) == []


class TestSources:
    @pytest.mark.parametrize(
        ("name", "text", "mode", "reason"),
        [
            ("hosts.yml", "all: {hosts: {a: {x: !vault y}}}", 0o644, ""),
            ("hosts.ini", "[web]\na\n", 0o644, ""),
            ("group_vars/all.yml", "plugin: mine\n", 0o755, ""),
            ("README.md", "#!/bin/sh\n", 0o755, ""),
            ("dyn.py", "#!/usr/bin/python3\n", 0o644, "is a program"),
            ("dyn", "anything", 0o755, "is a program"),
            ("aws.yml", "plugin: aws_ec2\n", 0o644, "is a plugin's configuration"),
            ("aws.yml", "x: &x {plugin: a}\n<<: *x\n", 0o644, "is a plugin's configuration"),
            ("aws.yml", '{\t"plugin": "a"}', 0o644, "is a plugin's configuration"),
            (
                "aws.yml",
                "$ANSIBLE_VAULT;1.1;AES256\n00\n",
                0o644,
                "is vaulted, and may be a plugin's configuration",
            ),
        ],
    )
    def test_what_would_run(
        self, tmp_path: Path, name: str, text: str, mode: int, reason: str
    ) -> None:
        path = tmp_path / "inventory" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(mode)
        programs = static_sources.programs(["inventory/"], tmp_path)
        assert {key: program.reason for key, program in programs.items()} == (
            {f"inventory/{name}": reason} if reason else {}
        )

    def test_a_source_outside_of_the_workspace(self, tmp_path: Path) -> None:
        assert static_sources.programs(["../x"], tmp_path)["../x"].reason.startswith("lies outside")

    def test_a_copy_has_data_and_variables_only(self, tmp_path: Path) -> None:
        root, into = tmp_path / "w", tmp_path / "copy"
        for name in ("i/hosts.yml", "i/dyn", "i/group_vars/a.yml", "host_vars/a.yml", "one.yml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("{}")
        (root / "i" / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
        sources = ["i", "one.yml", "a,b"]
        assert static_sources.copy(sources, root, into, {"i/dyn"}) == ("i", "one.yml", "a,b")
        assert {str(path.relative_to(into)) for path in into.rglob("*.yml")} == {
            *("i/hosts.yml", "i/group_vars/a.yml", "host_vars/a.yml", "one.yml")
        }
        assert not (into / "i" / "dyn").exists()
        assert not (into / "i" / "key").exists()

    def test_a_source_of_which_nothing_is_left_is_no_source(self, tmp_path: Path) -> None:
        root = tmp_path / "w"
        (root / "i" / "group_vars").mkdir(parents=True)
        (root / "i" / "group_vars" / "a.yml").write_text("{}")
        (root / "i" / "dyn").touch()
        assert static_sources.copy(["i"], root, tmp_path / "copy", {"i/dyn"}) == ()


def git(folder: Path, *arguments: str) -> None:
    outside = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=folder,
        env={**outside, "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)},
        check=True,
        capture_output=True,
    )


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A workspace below the top of a checkout, committed."""
    root = tmp_path / "checkout" / "site"
    (root / "inventory").mkdir(parents=True)
    git(root.parent, "init", "-q")
    (root / "patchctl.yml").touch()
    (root / "inventory" / "hosts.yml").write_text(
        "all:\n  hosts:\n    a: {patch_ring: staging}\n    b: {patch_ring: canary}\n"
    )
    commit(root)
    return root


def extract(folder: Path, into: Path) -> tuple[str, ...]:
    commit = git_archive.commit_of(folder, "HEAD", os.environ)
    return git_archive.extract(folder, commit, into, os.environ)


class TestRevision:
    def test_the_files_of_the_workspace_as_they_were(self, site: Path, tmp_path: Path) -> None:
        (site / "dyn").touch(mode=0o755)
        commit(site)
        (site / "patchctl.yml").unlink()
        then = tmp_path / "then"
        assert extract(site, then) == ()
        assert sorted(path.name for path in then.rglob("*") if path.is_file()) == [
            *("dyn", "hosts.yml", "patchctl.yml")
        ]
        assert (then / "dyn").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("name", ["nope", "--all", "HEAD^9", ""])
    def test_no_such_revision(self, site: Path, name: str) -> None:
        with pytest.raises(NotFoundError, match="no revision"):
            git_archive.commit_of(site, name, os.environ)

    def test_git_is_missing(self, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(site))
        with pytest.raises(AdapterError, match="git is not installed"):
            git_archive.commit_of(site, "HEAD", os.environ)

    def test_a_revision_older_than_the_workspace(self, site: Path, tmp_path: Path) -> None:
        new = site.parent / "new"
        new.mkdir()
        with pytest.raises(NotFoundError, match="has no folder new"):
            extract(new, tmp_path / "then")

    def test_nothing_that_the_checkout_configures_runs_or_hides_files(
        self, site: Path, tmp_path: Path
    ) -> None:
        ran = tmp_path / "ran"
        (site / ".gitattributes").write_text("*.yml export-ignore\n*.ini filter=evil\n")
        (site / "inventory" / "more.ini").write_text("c\n")
        commit(site)
        for key in ("filter.evil.smudge", "core.fsmonitor", "tar.tar.command"):
            git(site, "config", key, f"touch {ran}; cat")
        then = tmp_path / "then"
        extract(site, then)
        assert (then / "inventory" / "hosts.yml").exists()
        assert (then / "inventory" / "more.ini").read_text() == "c\n"
        assert not ran.exists()

    def test_a_link_that_leads_out_is_left_out(self, site: Path, tmp_path: Path) -> None:
        (site / "inside").symlink_to("inventory/hosts.yml")
        (site / "out").symlink_to("/etc/hostname")
        (site / "turn").symlink_to(".")
        (site / "round").symlink_to("turn/turn/../../x")
        commit(site)
        then = tmp_path / "then"
        links = extract(site, then)
        assert sorted(links) == ["out", "round"]
        assert (then / "inside").read_text().startswith("all:")
