"""Where dnf stores the requested packages, and what an interrupted transaction leaves behind."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import ROLES, RULES, shells

from patchctl.models.host_rules import locks_lists

pytestmark = shells

HOST = ROLES / "patch_connection/files/host_dnf.sh"
DISCOVER = ROLES / "patch_discover/files/discover_dnf.sh"
RESOLVE = ROLES / "patch_resolve/files/dnf.sh"
TAB = "TAB='\t'"
RPM = """\
case $1 in
  -qa) printf '%s\\n' web.noarch kernel-core.x86_64 lib.i686 lib.x86_64 \\
    gpg-pubkey.x kernel-core.x86_64 gpg-pubkey.x mine.noarch mine.noarch $DOUBLED ;;
  *) echo kernel-core.x86_64; case "$*" in *my-kernels*) echo mine.noarch ;; esac; exit 1 ;;
esac
"""


def ask(shell: list[str], root: Path, question: str, settings: str = "", **variables: str) -> str:
    """Return the answer of a host whose dnf.conf has these settings."""
    (root / "dnf.conf").write_text(f"[main]\n{settings}\n[other]\ncachedir=/no\n")
    text = "\n".join(path.read_text() for path in (RULES, HOST, DISCOVER, RESOLVE))
    text = text.replace("/etc/dnf/dnf.conf", f"{root}/dnf.conf").replace(
        "/var/cache/dnf", f"{root}/default"
    )
    text = text.replace('main "$@" </dev/null', "")
    done = subprocess.run(
        [*shell, "-c", f"{TAB}\n{text}\n{question}"],
        env={"PATH": f"{root}/bin:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.replace(str(root), "ROOT").strip()


def program(root: Path, name: str, script: str) -> None:
    (root / "bin").mkdir(exist_ok=True)
    path = root / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class TestTheCache:
    @pytest.mark.parametrize(
        ("settings", "folder"),
        [
            ("", "ROOT/default"),
            ("cachedir = /srv/dnf/ ", "/srv/dnf"),
            ("#cachedir=/srv/dnf", "ROOT/default"),
            ("cachedir=relative", "ROOT/default"),
            ("cachedir=/srv/$basearch", "/srv/x86_64"),
        ],
    )
    def test_is_where_the_site_has_it(
        self, shell: list[str], tmp_path: Path, settings: str, folder: str
    ) -> None:
        program(tmp_path, "dnf", 'echo "cachedir = /srv/x86_64"')
        assert ask(shell, tmp_path, "dnf_cache", settings) == folder

    def test_lists_and_indexes_are_looked_for_there(self, shell: list[str], tmp_path: Path) -> None:
        folder = tmp_path / "moved" / "base-0123456789abcdef" / "repodata"
        folder.mkdir(parents=True)
        (folder / "repomd.xml").write_text("<repomd/>")
        (folder / "1-primary.xml").write_text("<metadata/>")
        settings = f"cachedir={tmp_path}/moved"
        assert ask(shell, tmp_path, "lists_dnf", settings).endswith("\tbase")
        assert ask(shell, tmp_path, "silent_dnf", settings) == "base"
        assert ask(shell, tmp_path, "print_dnf_index base", settings) == "<metadata/>"
        assert ask(shell, tmp_path, "lists_dnf; silent_dnf; print_dnf_index base") == ""

    def test_a_lock_of_lists_is_one_wherever_it_lies(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "metadata_lock.pid").write_text(str(os.getpid()))
        told = ask(shell, tmp_path, "locks_dnf", f"cachedir={tmp_path}")
        (file,) = [part for part in told.split("\t") if part.startswith("ROOT")]
        assert file == "ROOT/metadata_lock.pid"
        assert locks_lists(file)
        assert not locks_lists("/var/lib/rpm/.rpm.lock")


class TestWhatACutOffTransactionLeft:
    @pytest.fixture(autouse=True)
    def programs(self, tmp_path: Path) -> None:
        program(tmp_path, "rpm", RPM)
        program(tmp_path, "dnf", "exit 0")

    def test_two_versions_of_a_package_are_told(self, shell: list[str], tmp_path: Path) -> None:
        many = "installonlypkgs = my-kernels*"
        said = ask(shell, tmp_path, "unfinished_dnf", many, DOUBLED="web.noarch")
        assert said == "web.noarch (two versions)"

    def test_those_that_lie_beside_each_other_are_not(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        assert ask(shell, tmp_path, "unfinished_dnf", "installonlypkgs=my-kernels") == ""
        assert ask(shell, tmp_path, "unfinished_dnf") == "mine.noarch (two versions)"

    def test_a_database_that_tells_nothing_is_not_whole(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        for nothing in ("exit 0", "exit 1"):
            program(tmp_path, "rpm", nothing)
            assert ask(shell, tmp_path, "unfinished_dnf || echo failed") == "failed"
