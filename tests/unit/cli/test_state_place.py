"""With CI set, commands that change hosts need a state outside of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHANGES = [
    ("rollout", "--yes"),
    ("rollout", "plans/x.lock", "--yes"),
    ("rollout", "resume"),
    ("rollback", "--yes"),
    ("host", "clean", "--yes"),
]
READS = [("rollout", "status"), ("rollout", "list"), ("audit", "verify"), ("inventory", "list")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A workspace in a folder of a git checkout. Its host cannot be reached."""
    root = tmp_path / "checkout" / "fleet"
    (root / "inventory").mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    (root / "patchctl.yml").write_text("ansible: {connect_timeout: 1s}\n")
    host = "{patch_ring: staging, ansible_host: 127.0.0.1, ansible_port: 1}"
    (root / "inventory" / "hosts.yml").write_text(f"all: {{hosts: {{web1: {host}}}}}\n")
    return root


def patchctl(root: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Run a command; return exit code and lines of stderr."""
    known = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "PATCHCTL_STATE", "PATCHCTL_EPHEMERAL_STATE")
    }
    done = subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(root), *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**known, **environment},
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("verb", CHANGES, ids=" ".join)
def test_what_changes_hosts_is_refused_before_it_begins(
    checkout: Path, verb: tuple[str, ...]
) -> None:
    code, said = patchctl(checkout, *verb, CI="true")
    assert code == 2
    assert said == [
        f"patchctl: nothing was changed: CI is set and the state {checkout / '.patchctl'} lies in"
        f" the checkout {checkout.parent}, with which its journal and audit log would be lost;"
        " name a lasting folder in PATCHCTL_STATE or `state:`, or give --ephemeral-state where"
        " that is meant"
    ]
    assert not (checkout / ".patchctl").exists()


@pytest.mark.parametrize("verb", READS, ids=" ".join)
def test_commands_that_only_read_are_not_refused(checkout: Path, verb: tuple[str, ...]) -> None:
    assert "CI is set" not in str(patchctl(checkout, *verb, CI="true")[1])


def refused(root: Path, *more: str, **environment: str) -> bool:
    """Return whether cleaning is refused because of the state's folder; if not, it fails to reach
    the host."""
    code, said = patchctl(root, "host", "clean", "--yes", *more, **environment)
    assert code in (2, 4), said
    return "CI is set" in said[-1]


@pytest.mark.parametrize("value", ["true", "1", "woodpecker"])
def test_ci_is_whatever_a_pipeline_calls_itself(checkout: Path, value: str) -> None:
    assert refused(checkout, CI=value)


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_without_ci_the_checkout_is_the_operators(checkout: Path, value: str) -> None:
    assert not refused(checkout, CI=value)


def test_a_state_in_the_checkout_can_be_allowed(checkout: Path) -> None:
    assert not refused(checkout, "--ephemeral-state", CI="true")
    assert not refused(checkout, CI="true", PATCHCTL_EPHEMERAL_STATE="1")
    assert refused(checkout, CI="true", PATCHCTL_EPHEMERAL_STATE="0")


def test_a_state_elsewhere_lasts(checkout: Path, tmp_path: Path) -> None:
    assert not refused(checkout, CI="true", PATCHCTL_STATE=str(tmp_path / "state"))
    (tmp_path / "lasting").mkdir()
    (checkout / ".patchctl").symlink_to(tmp_path / "lasting")
    assert not refused(checkout, CI="true")


def test_a_link_into_the_checkout_does_not_last(checkout: Path, tmp_path: Path) -> None:
    (checkout.parent / "cache").mkdir()
    (tmp_path / "state").symlink_to(checkout.parent / "cache")
    assert refused(checkout, CI="true", PATCHCTL_STATE=str(tmp_path / "state"))


def test_a_linked_work_tree_is_a_checkout_too(checkout: Path) -> None:
    (checkout.parent / ".git").rmdir()
    assert not refused(checkout, CI="true")
    (checkout / ".git").write_text("gitdir: /srv/fleet.git/worktrees/fleet\n")
    assert refused(checkout, CI="true")
