"""`plan create` by findings: what it refuses before it asks a host."""

from pathlib import Path

import pytest

from patchctl.cli.app import main


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a host that cannot be reached."""
    root = tmp_path / "workspace"
    (root / "inventory").mkdir(parents=True)
    root.chmod(0o700)
    (root / "patchctl.yml").touch()
    (root / "inventory/hosts.yml").write_text("all: {hosts: {web1: {patch_ring: staging}}}\n")
    return root


def refused(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the error line of a command that changed nothing."""
    assert main(["-C", str(root), "plan", "create", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert not (root / "plans").exists()
    return line


@pytest.mark.parametrize("other", ["--security", "--all", "--package=openssl"])
@pytest.mark.parametrize("finding", ["--cve=CVE-2024-6387", "--decision=act"])
def test_findings_and_kinds_of_updates_exclude_each_other(
    workspace: Path, capsys: pytest.CaptureFixture[str], other: str, finding: str
) -> None:
    said = refused(workspace, capsys, other, finding)
    assert said.startswith("patchctl: --cve, --decision and --due-before exclude --security")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cve", "openssl"], "--cve 'OPENSSL': is not a CVE"),
        (["--cve", ""], "--cve '': is not a CVE"),
        (["--decision", "urgent"], "--decision 'urgent': no such decision; it takes act, out"),
        (["--decision", ""], "--decision '': no such decision"),
        (["--due-before", "tomorrow"], "--due-before 'tomorrow': is not a valid date"),
        (["--due-before", ""], "--due-before '': is not a valid date"),
    ],
)
def test_a_word_that_means_nothing_selects_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert refused(workspace, capsys, *words).startswith(f"patchctl: {says}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--exclude", "vim"], "--exclude needs --reason"),
        (["--reason", "frozen"], "--reason without --exclude"),
        (["--exclude", "a b", "--reason", "frozen"], "--exclude 'a b' is not a package name"),
    ],
)
def test_an_exclusion_that_means_nothing_excludes_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert refused(workspace, capsys, *words).startswith(f"patchctl: {says}")


def test_without_feeds_no_host_is_asked(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(workspace, capsys, "--cve", "CVE-2024-6387") == (
        "patchctl: no feeds are held, so nothing can be selected by findings;"
        " run `patchctl feeds update` or `feeds import`"
    )
