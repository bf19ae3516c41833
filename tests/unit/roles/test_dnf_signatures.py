"""A package must be signed by a key of its own repository; a key in rpm's keyring is not enough."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from host_shells import LIBRARY, ROLES, RULES, shells

pytestmark = shells

SETTINGS = ROLES / "patch_connection/files/manager_dnf_settings.sh"
FETCH = ROLES / "patch_fetch/files/dnf.sh"
KEYS = """\
[one]
baseurl=http://mirror/gpgkey=file:///etc/no
gpgkey = file:///etc/k/a, file:///etc/k/b\r
    file:///etc/k/c
#   file:///etc/k/no
enabled=1
    file:///etc/k/no
[two]
gpgcheck=0
[three]
gpgkey=https://vendor.example/key
[four]
gpgkey=file:///etc/k/a https://vendor.example/key
[five]
gpgkey=file:///etc/k/KEY-$releasever
"""
# A file is named by who signed it: `a.rpm` by key a, `none.rpm` by nobody.
RPMKEYS = """\
ring=/nowhere import=no
while [ $# -gt 0 ]; do
  case $1 in
    --dbpath) ring=$2 && shift ;;
    --define) shift ;;
    --import) import=yes ;;
    --checksig) ;;
    *) file=$1 ;;
  esac
  shift
done
name=${file##*/}
if [ "$import" = yes ]; then [ -f "$file" ] && touch "$ring/$name"; exit; fi
if [ "$name" = none.rpm ]; then echo "$file: digests OK"; exit 1; fi
case $ring in
  /nowhere) case $name in [ab].rpm) exit 0 ;; esac ;;
  *) [ -f "$ring/${name%.rpm}" ] && exit 0 ;;
esac
echo "$file: digests SIGNATURES NOT OK"
exit 1
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's settings, keys and programs, and the folders of a call."""
    for name in ("bin", "repos", "keys", "call", "new", "old"):
        (tmp_path / name).mkdir()
    (tmp_path / "dnf.conf").write_text(f"[main]\nreposdir={tmp_path}/repos\n")
    repositories(tmp_path, KEYS)
    for name in ("a", "b"):
        (tmp_path / "keys" / name).touch()
    program(tmp_path, "rpmkeys", RPMKEYS)
    program(tmp_path, "dnf", "exit 1")
    return tmp_path


def repositories(host: Path, text: str) -> None:
    shutil.rmtree(host / "call/keys", ignore_errors=True)  # each call makes its keyrings anew
    (host / "repos/r.repo").write_text(text.replace("/etc/k/", f"{host}/keys/"))


def program(host: Path, name: str, script: str) -> None:
    path = host / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(
    shell: list[str], host: Path, script: str, *files: Path, **variables: str
) -> tuple[bool, str]:
    text = "\n".join(path.read_text() for path in (*files, SETTINGS))
    text = text.replace("/etc/dnf/dnf.conf", f"{host}/dnf.conf").replace(
        '\nmain "$@" </dev/null', ""
    )
    done = subprocess.run(
        [*shell, "-c", f"set -u\n{text}\n{script}"],
        env={"PATH": f"{host}/bin:{os.environ['PATH']}", "work": f"{host}/call", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return done.returncode == 0, done.stdout.strip()


class TestTheKeysThatARepositoryNames:
    def named(self, shell: list[str], host: Path, repository: str) -> list[str]:
        _, said = run(shell, host, f"dnf_keys_named {repository}")
        return said.replace(f"{host}/keys/", "").split()

    def test_are_the_words_of_its_setting_and_of_no_other(
        self, shell: list[str], host: Path
    ) -> None:
        assert self.named(shell, host, "one") == ["file://a", "file://b", "file://c"]
        assert self.named(shell, host, "two") == []
        assert self.named(shell, host, "unheard") == []

    def test_may_have_variables_which_dnf_knows(self, shell: list[str], host: Path) -> None:
        program(
            host, "dnf", f'[ "$5" = five ] && echo "gpgkey = file://{host}/keys/KEY-9, https://x"'
        )
        assert self.named(shell, host, "five") == ["file://KEY-9", "https://x"]


class TestASignature:
    def counts(self, shell: list[str], host: Path, repository: str, file: str) -> tuple[bool, str]:
        return run(shell, host, f"dnf_signed_for {host}/rings {repository} {host}/new/{file}.rpm")

    @pytest.mark.parametrize("key", ["a", "b"])
    def test_by_one_of_several_keys_holds(self, shell: list[str], host: Path, key: str) -> None:
        assert self.counts(shell, host, "one", key) == (True, "")

    def test_by_a_key_of_another_repository_does_not(self, shell: list[str], host: Path) -> None:
        repositories(host, "[one]\ngpgkey=file:///etc/k/b\n[other]\ngpgkey=file:///etc/k/a\n")
        holds, said = self.counts(shell, host, "one", "a")
        assert not holds
        assert said == (
            "rpm trusts the key that it is signed by,"
            " and repository one does not name it in gpgkey="
        )
        assert self.counts(shell, host, "other", "a") == (True, "")

    @pytest.mark.parametrize("repository", ["two", "three", "four", "unheard"])
    def test_counts_by_rpms_keys_alone_where_none_is_named_by_a_file(
        self, shell: list[str], host: Path, repository: str
    ) -> None:
        assert self.counts(shell, host, repository, "stranger") == (True, "")

    def test_does_not_where_no_named_key_is_there(self, shell: list[str], host: Path) -> None:
        repositories(host, "[one]\ngpgkey=file:///etc/k/gone\n")
        assert not self.counts(shell, host, "one", "a")[0]

    def test_does_not_where_dnf_cannot_tell_the_keys(self, shell: list[str], host: Path) -> None:
        holds, said = self.counts(shell, host, "five", "a")
        assert (holds, said) == (
            False,
            "it cannot be told which keys repository five names in gpgkey=",
        )

    def test_a_keyring_is_made_of_one_repository_alone(self, shell: list[str], host: Path) -> None:
        repositories(host, "[x]\ngpgkey=file:///etc/k/a\n[x.new]\ngpgkey=file:///etc/k/b\n")
        script = f"dnf_signed_for {host}/rings x.new f; dnf_signed_for {host}/rings x f"
        run(shell, host, script)
        assert [path.name for path in (host / "rings/x").iterdir()] == ["a"]
        assert [path.name for path in (host / "rings/x.new").iterdir()] == ["b"]


class TestWhenItIsFetched:
    def fetched(self, shell: list[str], host: Path, repository: str, file: str) -> tuple[bool, str]:
        script = (
            f'is_signed {host}/{file}.rpm {repository}; code=$?; printf %s "${{why-}}"; exit $code'
        )
        return run(shell, host, script, FETCH)

    def test_rpm_and_the_repository_must_know_the_key(self, shell: list[str], host: Path) -> None:
        repositories(host, "[one]\ngpgkey=file:///etc/k/b file:///etc/k/stranger\n")
        (host / "keys/stranger").touch()
        assert self.fetched(shell, host, "one", "b") == (True, "")
        holds, said = self.fetched(shell, host, "one", "a")
        assert not holds and said.startswith("rpm trusts the key that it is signed by")
        holds, said = self.fetched(shell, host, "one", "stranger")
        assert not holds and said.startswith("its signature does not hold")

    def test_none_is_enough_where_its_own_repository_wants_none(
        self, shell: list[str], host: Path
    ) -> None:
        repositories(host, "[one]\ngpgcheck=1\n[two]\ngpgcheck=0\n")
        assert self.fetched(shell, host, "two", "none")[0]
        holds, said = self.fetched(shell, host, "one", "none")
        assert not holds and said.startswith("it is not signed")


PACKAGES = """\
web noarch upgrade 1-1 1-2 yes a.rpm 1 0
lib noarch upgrade 1-1 1-2 yes b.rpm 1 0
gone noarch remove 1-1 - - - 0 -
"""
# Sums of headers as rpm has them: installed ones by name, of files by who signed them.
RPM = """\
case "$*" in
  -q\\ *web-1-1*) echo '11 12 13' ;;
  -q\\ *) exit 1 ;;
  *'%{NAME}'*) echo 'web noarch' ;;
  *b.rpm) echo '11 12 13' ;;
  *c.rpm) echo '(none) (none) (none)' ;;
  *) echo '91 92 93' ;;
esac
"""


class TestOnEachHost:
    def transaction(
        self, shell: list[str], host: Path, script: str, **variables: str
    ) -> tuple[bool, str]:
        names = ("lib", "base", "packages", "package_files", "manager_dnf_signatures")
        files = (RULES, *(LIBRARY / f"{name}.sh" for name in names))
        given = {
            "packages": PACKAGES,
            "repositories": "web noarch one\nlib noarch one\n",
            "unsigned": "",
            "tx": str(host),
            "call": f"{host}/call",
        }
        return run(shell, host, f'call_end=""; {script}', *files, **(given | variables))

    def checked(
        self, shell: list[str], host: Path, *files: str, **variables: str
    ) -> tuple[bool, str]:
        todo = [f"install {host}/{file}.rpm" for file in files]
        (host / "call/todo").write_text("\n".join([*todo, "remove gone-1-1.noarch", ""]))
        return self.transaction(shell, host, "dnf_check_signatures", **variables)

    def test_a_new_file_counts_by_the_keys_of_its_repository(
        self, shell: list[str], host: Path
    ) -> None:
        assert self.checked(shell, host, "new/a", "new/b") == (True, "")
        repositories(host, "[one]\ngpgkey=file:///etc/k/b\n")
        holds, said = self.checked(shell, host, "new/b", "new/a")
        assert not holds
        assert said.startswith("a.rpm is not signed by a key of its repository: rpm trusts the key")

    def test_what_the_plan_calls_unsigned_or_is_old_needs_none_of_them(
        self, shell: list[str], host: Path
    ) -> None:
        repositories(host, "[one]\ngpgkey=file:///etc/k/b\n")
        assert self.checked(shell, host, "new/a", unsigned="web noarch\n") == (True, "")
        assert self.checked(shell, host, "old/a") == (True, "")

    def old(self, shell: list[str], host: Path, file: str, name: str = "web") -> bool:
        program(host, "rpm", RPM)
        question = f"dnf_is_old_of {host}/old/{file}.rpm {name} noarch 1-1"
        return self.transaction(shell, host, question)[0]

    def test_an_old_file_is_what_is_installed_or_of_the_repository(
        self, shell: list[str], host: Path
    ) -> None:
        repositories(host, "[one]\ngpgkey=file:///etc/k/a\n")
        assert self.old(shell, host, "a")  # another build, by the repository's key
        assert self.old(shell, host, "b")  # by another key, the very one that is installed
        assert not self.old(shell, host, "stranger")
        repositories(host, "[one]\ngpgkey=file:///etc/k/c\n")
        assert not self.old(shell, host, "a")

    def test_of_what_only_goes_it_must_be_what_is_installed(
        self, shell: list[str], host: Path
    ) -> None:
        assert not self.old(shell, host, "a", "gone")
