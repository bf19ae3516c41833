"""Run `patchctl inventory lint`, `graph` and `diff` with Ansible and git, without hosts."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from patchctl.cli.app import main

HOSTS = """\
all:
  hosts:
    a: {patch_ring: staging}
    b: {patch_ring: canary, ansible_host: 10.0.0.1}
    c: {patch_ring: production}
"""
BAD = (
    HOSTS
    + """\
    d: {ansible_host: 10.0.0.1, ansible_user: "{{ nobody }}"}
    e: {patch_ring: canary, ansible_password: hunter2}
  children:
    staging: {hosts: {e: }}
"""
)


def git(folder: Path, *arguments: str) -> None:
    outside = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=folder,
        env={**outside, "GIT_CONFIG_GLOBAL": os.devnull},
        check=True,
        capture_output=True,
    )


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A committed workspace."""
    root = tmp_path / "site"
    (root / "inventory").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "patchctl.yml").touch()
    (root / "inventory" / "hosts.yml").write_text(HOSTS)
    commit(root)
    return root


Answer = tuple[int, Any, str]


def run(site: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Answer:
    """Run a verb and return exit code, JSON and stderr."""
    code = main(["-C", str(site), "inventory", *words, "-o", "json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


class TestLeftOut:
    """What patchctl cannot use is left out with a line; everything else is used."""

    def test_a_name_leaves_out_its_host(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hosts = site / "inventory" / "hosts.yml"
        hosts.write_text(HOSTS + "    My VM (old): {patch_ring: canary}\n    büro:\n")
        code, parsed, said = run(site, capsys, "list")
        assert code == 0
        assert [host["name"] for host in parsed["hosts"]] == ["a", "b", "c"]
        assert [row["name"] for row in parsed["left_out"]] == ["My VM (old)", "büro"]
        assert "inventory/hosts.yml:6: host name 'My VM (old)' has characters" in said
        assert "inventory/hosts.yml:7: host name 'büro' has characters" in said
        code, parsed, said = run(site, capsys, "diff", "HEAD")
        assert (code, parsed["appeared"]) == (0, [])
        assert "'büro'" in said
        code, parsed, _ = run(site, capsys, "lint")
        assert code == 1
        assert [finding["rule"] for finding in parsed["findings"][:2]] == ["host-name", "host-name"]

    def test_a_folder_without_sources_is_a_warning(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (site / "inventory" / "docs").mkdir()
        (site / "inventory" / "docs" / "README.md").write_text("how to\n")
        code, parsed, said = run(site, capsys, "list")
        assert code == 0
        assert [host["name"] for host in parsed["hosts"]] == ["a", "b", "c"]
        assert "warning: inventory/docs: has no inventory source in it" in said


class TestLint:
    def test_every_error_with_its_line_and_the_exit_code(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (site / "inventory" / "hosts.yml").write_text(BAD)
        code, answer, said = run(site, capsys, "lint")
        assert [(finding["rule"], finding["where"]) for finding in answer["findings"]] == [
            ("two-rings", "inventory/hosts.yml:7"),
            ("no-ring", "inventory/hosts.yml:6"),
            ("duplicate-address", "inventory/hosts.yml:6"),
            ("undefined-variable", "inventory/hosts.yml:6"),
            ("plain-password", "inventory/hosts.yml:7"),
        ]
        assert (code, answer["errors"]) == (1, 5)
        assert "hunter2" not in json.dumps(answer) + said

    def test_warnings_count_where_that_is_asked(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hosts = site / "inventory" / "hosts.yml"
        hosts.write_text(HOSTS.replace("canary", "staging"))
        assert run(site, capsys, "lint")[0] == 0
        code, answer, _ = run(site, capsys, "lint", "--strict")
        assert (code, [finding["rule"] for finding in answer["findings"]]) == (1, ["empty-ring"])


def test_graph(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer, _ = run(site, capsys, "graph", "--limit", "ring_canary")
    assert code == 0
    assert [(child["name"], child["hosts"]) for child in answer["children"]] == [
        ("ring_canary", ["b"]),
        ("ungrouped", ["b"]),
    ]


class TestDiff:
    def test_the_exit_code_says_whether_anything_differs(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, answer, _ = run(site, capsys, "diff", "HEAD")
        assert (code, answer["differs"]) == (0, False)
        (site / "inventory" / "hosts.yml").write_text(HOSTS.replace("staging", "canary"))
        code, answer, _ = run(site, capsys, "diff", "HEAD")
        assert (code, answer["differs"]) == (1, True)
        assert answer["moved"] == [{"host": "a", "before": "staging", "after": "canary"}]

    def test_each_side_has_its_own_settings(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (site / "inventory" / "hosts.yml").write_text("all: {hosts: {a: }}\n")
        (site / "patchctl.yml").write_text(
            "rings: [{name: one}]\nassign: {shares: {seed: s, one: 100}}"
        )
        code, answer, _ = run(site, capsys, "diff", "HEAD")
        assert (code, answer["rings_after"]) == (1, ["one"])
        assert answer["moved"] == [{"host": "a", "before": "staging", "after": "one"}]

    def test_what_is_wrong_in_the_revision_names_it(
        self, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (site / "inventory" / "hosts.yml").write_text("all: [\n")
        commit(site)
        (site / "inventory" / "hosts.yml").write_text(HOSTS)
        code, answer, said = run(site, capsys, "diff", "HEAD")
        assert code == 2
        assert isinstance(answer, dict)
        assert answer["error"]["message"].startswith("HEAD: inventory/hosts.yml")
        assert said.startswith("patchctl: HEAD: inventory/hosts.yml:")
        assert run(site, capsys, "diff", "HEAD~1")[0] == 0

    def test_programs_of_the_revision_run_only_where_that_is_asked(
        self, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran, program = tmp_path / "ran", site / "inventory" / "dyn"
        program.write_text(f"#!/bin/sh\ntouch {ran}\necho '{listed('old')}'\n")
        program.chmod(0o755)
        (site / "inventory" / "build.yml").write_text(
            "plugin: ansible.builtin.constructed\nstrict: true\n"
            f"compose: {{x: \"lookup('pipe', 'touch {ran}')\"}}\n"
        )
        commit(site)
        (site / "inventory" / "build.yml").unlink()
        program.write_text(f"#!/bin/sh\necho '{listed('new')}'\n")
        code, answer, _ = run(site, capsys, "diff", "HEAD")
        assert not ran.exists()
        assert [(row["source"], row["changed"]) for row in answer["not_compared"]] == [
            ("inventory/build.yml", True),
            ("inventory/dyn", True),
        ]
        assert (code, answer["appeared"], answer["vanished"]) == (1, [], [])
        code, answer, _ = run(site, capsys, "diff", "HEAD", "--run-sources")
        assert ran.exists()
        assert (code, answer["not_compared"]) == (1, [])
        assert [row["host"] for row in answer["appeared"]] == ["new"]
        assert [row["host"] for row in answer["vanished"]] == ["old"]


def listed(name: str) -> str:
    """Return the output of an executable source with one host."""
    return json.dumps({"web": {"hosts": [name]}, "_meta": {"hostvars": {}}})
