"""The script that prints the advisories of a dnf host, with caches of dnf 4, dnf 5 and yum."""

import base64
import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from host_shells import ROLES, RULES, shells

from patchctl.protocol.advisories import Given, Nothing, parse

SCRIPT = ROLES / "patch_fetch/files/advisories.sh"
HOST_DNF = ROLES / "patch_connection/files/host_dnf.sh"
UPDATES = b"<updates/>"
REPOLIST = "repo id        repo name\nbase           Base - x\nextras         Extras"
YUM = "Loaded plugins: x\nrepo id\trepo name\tstatus\n!base/7/x86_64\tBase\t9\nrepolist: 9"
HASH = "0123456789abcdef"


def repomd(*files: str, revision: int = 1790000000) -> str:
    data = "".join(
        f'<data type="updateinfo{"_zck" if name.endswith(".zck") else ""}"><checksum>a</checksum>\n'
        f'<location href="repodata/{name}"/></data>'
        for name in files
    )
    return (
        f"<repomd><revision>{revision}</revision>"
        '<data type="primary"><location href="repodata/p-updateinfo.xml.gz"/></data>'
        f"{data}</repomd>"
    )


class Host:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        self.tool("dnf", REPOLIST)

    def tool(self, name: str, said: str = "", *, makecache: str = "", code: int = 0) -> None:
        """A program that prints `said`; for makecache it has other output and another exit code."""
        path = self.bin / name
        path.write_text(
            '#!/bin/sh\ncase "$*" in\n*makecache*)\n'
            f"cat >&2 <<'E'\n{makecache}\nE\nexit {code};;\nesac\ncat <<'E'\n{said}\nE\n"
        )
        path.chmod(0o755)

    def repository(self, folder: str, index: str, **files: bytes) -> Path:
        path = self.root / "cache" / folder
        path.mkdir(parents=True)
        (path / "repomd.xml").write_text(index)
        for name, content in files.items():
            (path / name.replace("_", ".")).write_bytes(content)
        return path

    def answer(self, shell: list[str]) -> dict[str, Given | Nothing]:
        script = "\n".join(path.read_text() for path in (RULES, HOST_DNF, SCRIPT))
        script = script.replace("/var/cache", str(self.root / "cache"))
        script = script.replace("/etc/dnf/dnf.conf", str(self.root / "dnf.conf"))
        done = subprocess.run(
            [*shell, "-s"],
            input=script,
            env={"PATH": f"{self.bin}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return {reply.repository: reply for reply in parse(done.stdout)}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def given(name: str = "base", data: bytes = UPDATES, revision: int = 1790000000) -> Given:
    return Given(repository=name, revision=revision, data=data)


@shells
class TestTheScript:
    def test_the_site_may_have_moved_the_cache(self, host: Host, shell: list[str]) -> None:
        (host.root / "dnf.conf").write_text(f"[main]\ncachedir = {host.root}/cache/moved/\n")
        index = repomd("u-updateinfo.xml")
        host.repository(f"moved/base-{HASH}/repodata", index, **{"u-updateinfo_xml": UPDATES})
        assert host.answer(shell)["base"] == given()

    @pytest.mark.parametrize("cache_folder", ["dnf", "libdnf5"])
    def test_enabled_repositories_are_read_from_the_cache(
        self, host: Host, shell: list[str], cache_folder: str
    ) -> None:
        host.repository(f"{cache_folder}/base-{HASH}/repodata", repomd("u.xml"), u_xml=UPDATES)
        host.repository(f"{cache_folder}/extras-{HASH}/repodata", repomd())
        host.repository(f"{cache_folder}/removed-{HASH}/repodata", repomd("u.xml"), u_xml=b"<old/>")
        replies = host.answer(shell)
        assert replies == {"base": given(), "extras": Nothing(repository="extras")}

    @pytest.mark.skipif(shutil.which("dnf") is not None, reason="a dnf comes before yum")
    def test_yum_names_release_and_architecture(self, host: Host, shell: list[str]) -> None:
        (host.bin / "dnf").unlink()
        host.tool("yum", YUM)
        host.repository("yum/x86_64/7/base", repomd("u.xml"), u_xml=UPDATES)
        assert host.answer(shell) == {"base": given()}

    def test_of_two_addresses_the_newest_copy_counts(self, host: Host, shell: list[str]) -> None:
        old = host.repository(f"dnf/base-{HASH}/repodata", repomd("u.xml"), u_xml=b"<old/>")
        os.utime(old / "repomd.xml", (1, 1))
        host.repository(f"dnf/base-{HASH[::-1]}/repodata", repomd("u.xml"), u_xml=UPDATES)
        assert host.answer(shell)["base"] == given()

    def test_binary_content_comes_as_it_is(self, host: Host, shell: list[str]) -> None:
        data = gzip.compress(os.urandom(5000))
        host.repository(f"dnf/base-{HASH}/repodata", repomd("u.gz"), u_gz=data)
        assert host.answer(shell)["base"] == given(data=data)

    def test_what_was_packed_otherwise_is_unpacked_there(
        self, host: Host, shell: list[str]
    ) -> None:
        host.tool("unzck", UPDATES.decode())
        host.repository(f"dnf/base-{HASH}/repodata", repomd("u.gz", "u.zck"), u_zck=b"\0ZCK1")
        reply = host.answer(shell)["base"]
        assert isinstance(reply, Given)
        assert gzip.decompress(reply.data).strip() == UPDATES

    @pytest.mark.skipif(shutil.which("unzck") is not None, reason="it is there")
    def test_without_the_tool_for_it_it_is_said(self, host: Host, shell: list[str]) -> None:
        host.repository(f"dnf/base-{HASH}/repodata", repomd("u.zck"), u_zck=b"\0ZCK1")
        why = "its updateinfo is zchunk: install zchunk there"
        assert host.answer(shell)["base"] == Nothing(repository="base", failure=why)

    def test_what_is_too_large_leaves_room_for_the_rest(self, host: Host, shell: list[str]) -> None:
        large = host.repository(f"dnf/base-{HASH}/repodata", repomd("u.xml"))
        with (large / "u.xml").open("wb") as file:
            file.truncate((40 << 20) + 1)
        host.repository(f"dnf/extras-{HASH}/repodata", repomd("u.xml"), u_xml=UPDATES)
        replies = host.answer(shell)
        assert "41943041 bytes" in getattr(replies["base"], "failure", "")
        assert replies["extras"] == given("extras")

    @pytest.mark.parametrize(
        "said",
        ["Error: x\nIgnoring repositories: other, base", '>>> Failed for repository "base"'],
    )
    def test_a_repository_that_dnf_left_out_is_not_taken_from_its_old_copy(
        self, host: Host, shell: list[str], said: str
    ) -> None:
        host.tool("dnf", REPOLIST, makecache=said)
        for name in ("base", "extras"):
            host.repository(f"dnf/{name}-{HASH}/repodata", repomd("u.xml"), u_xml=UPDATES)
        replies = host.answer(shell)
        assert isinstance(replies["base"], Nothing) and replies["base"].failure
        assert replies["extras"] == given("extras")

    def test_where_dnf_fails_the_host_does(self, host: Host, shell: list[str]) -> None:
        host.tool("dnf", REPOLIST, makecache="Error: no route", code=1)
        why = "dnf makecache: Error: no route"
        assert host.answer(shell) == {"-": Nothing(repository="-", failure=why)}


def test_base64_is_what_the_parser_reads() -> None:
    text = f"advisories 1\nrepository a - {base64.b64encode(UPDATES).decode()}\nend\n"
    assert parse(text) == (given("a", revision=0),)
