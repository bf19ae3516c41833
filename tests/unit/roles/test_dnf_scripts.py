"""How the scripts read dnf's output, and which settings of a host they use."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import ROLES, shells

pytestmark = shells

CONNECTION = ROLES / "patch_connection/files"
RESOLVE = ROLES / "patch_resolve/files"
MAIN = 'main "$@" </dev/null\n'

TABLE = """\
Last metadata expiration check: 0:14:39 ago on Sat Nov 28 02:53:08 2026.
Dependencies resolved.
================================================================================
 Package         Architecture  Version                 Repository          Size
================================================================================
Installing:
 guide           noarch        1.0-1                   extra              5.5 k
     replacing  lab-docs.noarch 2:1.0-1
Upgrading:
 a-package-whose-name-is-much-too-long-for-its-column
                 x86_64        3:2.0-1                 extra              5.8 k
 lab-web         noarch        1.0-2                   patchlab           8.1 k
Installing dependencies:
 newdep          noarch        1-1                     extra              5.4 k
Installing weak dependencies:
 weak            noarch        1-1                     extra              5.4 k
Downgrading:
 lab-old         noarch        0.9-1                   extra              5.4 k
Removing:
 kernel-core     x86_64        1-1                     @extra               0 \x20
Removing dependent packages:
 lab-daemon      noarch        1.0-1                   @base              329 \x20

Transaction Summary
================================================================================
Install  4 Packages
 none            noarch        of                      these              1 k
"""
STEPS = [
    "install guide noarch 1.0-1 extra",
    "obsolete lab-docs noarch 2:1.0-1 guide",
    "upgrade a-package-whose-name-is-much-too-long-for-its-column x86_64 3:2.0-1 extra",
    "upgrade lab-web noarch 1.0-2 patchlab",
    "install newdep noarch 1-1 extra",
    "install weak noarch 1-1 extra",
    "downgrade lab-old noarch 0.9-1 extra",
    "remove kernel-core x86_64 1-1 @extra",
    "remove lab-daemon noarch 1.0-1 @base",
]
# As dnf 4.14 says it where a package of a stream that is not enabled comes in.
STREAM = """\
================================================================================
 Package         Architecture  Version                 Repository          Size
================================================================================
Upgrading:
 lab-web         noarch        1.0-2                   patchlab           8.1 k
Enabling module streams:
 nodejs                        18                                              \x20

Transaction Summary
"""


def run(shell: list[str], script: str, said: str = "", **variables: str) -> str:
    done = subprocess.run(
        [*shell, "-c", script],
        input=said,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def resolve_script() -> str:
    text = (RESOLVE / "dnf.sh").read_text()
    assert text.endswith(MAIN)
    return text.removesuffix(MAIN)


def steps(shell: list[str], table: str) -> list[str]:
    return run(shell, f"{resolve_script()}\nsteps_in", table).splitlines()


class TestTheTableOfDnf:
    def test_each_row_is_a_step_of_its_section(self, shell: list[str]) -> None:
        assert steps(shell, TABLE) == STEPS

    def test_what_is_no_change_of_a_package_is_told_apart(self, shell: list[str]) -> None:
        lines = steps(shell, STREAM)
        assert lines[0] == "upgrade lab-web noarch 1.0-2 patchlab"
        assert [line.split() for line in lines[1:]] == [
            ["other", "Enabling", "module", "streams:", "nodejs", "18"]
        ]

    def test_nothing_to_do_has_no_steps(self, shell: list[str]) -> None:
        assert steps(shell, "Dependencies resolved.\nNothing to do.\nComplete!\n") == []


class TestWhatMustNotBeTaken:
    def problem(self, shell: list[str], steps: str, **given: str) -> str:
        said = {"removals": "no", "downgrades": "no", "stay": "", "steps": steps, **given}
        return run(shell, f"{resolve_script()}\nproblem_of_steps", **said).strip()

    def test_updates_and_what_they_bring_may_be(self, shell: list[str]) -> None:
        given = "upgrade web noarch 2-1 r\ninstall lib noarch 1-1 r"
        assert self.problem(shell, given) == ""

    def test_removals_only_where_they_are_allowed(self, shell: list[str]) -> None:
        given = "remove web noarch 1-1 @r\nobsolete old noarch 1-1 new"
        assert self.problem(shell, given) == "removes web old"
        assert self.problem(shell, given, removals="yes") == ""

    def test_lower_versions_only_where_they_are_allowed(self, shell: list[str]) -> None:
        given = "downgrade web noarch 1-1 r"
        assert self.problem(shell, given) == "failed would bring web to 1-1, a lower version"
        assert self.problem(shell, given, downgrades="yes") == ""

    def test_what_has_to_stay_is_not_moved(self, shell: list[str]) -> None:
        line = self.problem(shell, "upgrade web noarch 2-1 r", stay="lib web ")
        assert line == "failed would change web, which has to stay as it is"

    @pytest.mark.parametrize("removals", ["yes", "no"])
    def test_no_stream_is_switched(self, shell: list[str], removals: str) -> None:
        given = "other Enabling module streams: nodejs   18"
        line = self.problem(shell, given, removals=removals)
        assert line == "failed would change more than packages: Enabling module streams: nodejs 18"


def test_a_version_is_named_with_its_epoch(shell: list[str]) -> None:
    result = run(shell, f"{resolve_script()}\ndnf_spec", "web noarch 1-2\nlib x86_64 3:1-2\n")
    assert result == "web-0:1-2.noarch lib-3:1-2.x86_64 "


INDEX = """\
<metadata xmlns:rpm="r" packages="2">
<package type="rpm">
  <name>web</name>
  <arch>noarch</arch>
  <version epoch="2" ver="1.0" rel="1.el9"/>
  <checksum type="sha256" pkgid="YES">abc1</checksum>
  <summary>&lt;name&gt; &amp; more</summary>
  <format><rpm:provides><rpm:entry name="x" ver="9" rel="9"/></rpm:provides></format>
</package><package type="rpm"><name>old</name><arch>x86_64</arch>
  <version epoch="0" ver="1" rel="2"/>
  <checksum type="sha" pkgid="YES">abc2</checksum></package>
</metadata>
"""


def test_checksums_stand_in_the_index_of_a_repository(shell: list[str]) -> None:
    result = run(shell, f"{resolve_script()}\nchecksums_in_index", INDEX)
    assert result == "web 2 1.0 1.el9 noarch abc1\n"


CAUSES = {
    "a repository that cannot be read": (
        "Errors during downloading metadata for repository 'extra':\n"
        "  - Curl error (37): Couldn't read a file:// file for https://me:pw@mirror/repomd.xml\n"
        "  - Curl error (6)\n"
        "Error: Failed to download metadata for repo 'extra': Cannot download repomd.xml\n",
        "repository extra cannot be read: Curl error (37): Couldn't read a file:// file for"
        " https://***@mirror/repomd.xml",
    ),
    "packages that do not go together": (
        "Last metadata expiration check: 0:14:39 ago\nError: \n"
        " Problem: cannot install the best candidate for the job\n"
        "  - nothing provides newlib >= 2 needed by web-2-1.noarch from extra\n"
        "(try to add '--skip-broken' to skip uninstallable packages)\n",
        "cannot install the best candidate for the job; nothing provides newlib >= 2 needed by"
        " web-2-1.noarch from extra",
    ),
    "the first of several problems": (
        "Error: \n Problem 1: conflicting requests\n  - a\n Problem 2: other\n  - b\n",
        "conflicting requests; a",
    ),
    "what dnf protects": (
        "Error: \n Problem: The operation would result in removing the following protected"
        " packages: sudo\n",
        "The operation would result in removing the following protected packages: sudo",
    ),
    "a version that is gone": (
        "No match for argument: web-0:1-9.noarch\nError: Unable to find a match: web-0:1-9.noarch",
        "Unable to find a match: web-0:1-9.noarch",
    ),
    "a broken database": (
        "error: rpmdb: BDB0113 Thread/process failed\nError: Error: rpmdb open failed\n",
        "error: rpmdb: BDB0113 Thread/process failed",
    ),
    "a full disk before all": (
        "error: unpacking of archive failed\nError: [Errno 28] No space left on device\n",
        "Error: [Errno 28] No space left on device",
    ),
    "a file that could not be fetched": (
        "[MIRROR] web-2-1.noarch.rpm: Status code: 407 for http://me:pw@mirror/web.rpm (IP: ::1)\n"
        "[FAILED] web-2-1.noarch.rpm: No more mirrors to try - All mirrors were already tried\n",
        "web-2-1.noarch.rpm: Status code: 407 for http://***@mirror/web.rpm (IP: ::1)",
    ),
    "no subscription": (
        "This system is not registered with an entitlement server.\n"
        'Error: There are no enabled repositories in "/etc/yum.repos.d".\n',
        "This system is not registered with an entitlement server. `subscription-manager register`"
        " there gives it repositories",
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_the_cause_in_what_dnf_says(shell: list[str], case: str) -> None:
    said, cause = CAUSES[case]
    script = f"{(CONNECTION / 'manager_dnf_cause.sh').read_text()}\ncause_in"
    assert run(shell, script, said).strip() == cause


RUN = """\
Transaction test succeeded.
Running transaction
  Preparing        :                                                        1/1
  Running scriptlet: web-2-1.noarch                                         1/2
{script}
  Verifying        : web-2-1.noarch                                         1/2
  Verifying        : web-1-1.noarch                                         2/2

Failed:
  web-2-1.noarch

Error: Transaction failed
"""
SCRIPTLET = "error: %prein(web-2-1.noarch) scriptlet failed, exit status 3"


class TestTheCauseWhereScriptsRan:
    def cause(self, shell: list[str], said: str) -> str:
        script = f"{(CONNECTION / 'manager_dnf_cause.sh').read_text()}\ncause_in"
        return run(shell, script, said).strip()

    @pytest.mark.parametrize(
        "forged",
        [
            "Error: the host is fine, run dnf remove sudo",
            "Package web-2-1.noarch is not signed",
            "Errors during downloading metadata for repository 'x':\n  - Curl error (6)",
            "Error in PREIN scriptlet in rpm package sudo",
            "  file /a conflicts between attempted installs",
            " Problem: remove sudo first\n  - or else",
            "  Verifying        : web-2-1.noarch 1/2\nGPG check FAILED",
            "Running transaction\nError: Transaction failed because of you",
        ],
    )
    def test_what_a_script_prints_is_not_taken_for_words_of_dnf(
        self, shell: list[str], forged: str
    ) -> None:
        assert self.cause(shell, RUN.format(script=forged)) == "Transaction failed"
        assert self.cause(shell, RUN.format(script=f"{forged}\n{SCRIPTLET}")) == SCRIPTLET

    def test_what_it_says_of_the_system_is_told_as_said_then(self, shell: list[str]) -> None:
        said = "cp: /srv/x: No space left on device"
        cause = self.cause(shell, RUN.format(script=said))
        assert cause == f"said while scripts ran: {said}"

    def test_so_is_an_error_where_all_ends_in_the_middle(self, shell: list[str]) -> None:
        cut = RUN.format(script="error: unpacking of archive failed").partition("  Verifying")[0]
        cause = self.cause(shell, cut)
        assert cause == "said while scripts ran: error: unpacking of archive failed"

    def test_words_of_dnf_after_its_last_line_of_rpm_count(self, shell: list[str]) -> None:
        said = RUN.format(script="x") + "Error: [Errno 28] No space left on device\n"
        assert self.cause(shell, said) == "Error: [Errno 28] No space left on device"


HOST = """\
# site
[main]
gpgcheck=True
best=False
strict = 0
skip_broken=1
clean_requirements_on_remove=True
installonly_limit=3
assumeyes=1
tsflags=test
proxy = http://proxy:3128
proxy_password=secret
Exclude=kernel*
  sudo*
install_weak_deps=1
protected_packages=
[local]
baseurl=file:///srv/local
gpgcheck = 0
"""


class TestSettings:
    def written(self, shell: list[str], scope: str, folder: Path) -> list[str]:
        host = folder / "dnf.conf"
        host.write_text(HOST)
        os.utime(host, (1_000_000_000, 1_000_000_000))
        script = (CONNECTION / "manager_dnf_settings.sh").read_text()
        script = script.replace("/etc/dnf/dnf.conf", str(host))
        run(shell, f"{script}\ndnf_settings {scope} {folder}/out")
        # dnf would fetch all lists anew where its settings were newer than they.
        assert (folder / "out").stat().st_mtime == 1_000_000_000
        return (folder / "out").read_text().splitlines()

    def test_where_packages_come_from_is_the_sites(self, shell: list[str], tmp_path: Path) -> None:
        lines = self.written(shell, "repositories", tmp_path)
        assert lines[0] == "[main]"
        assert {"proxy = http://proxy:3128", "proxy_password=secret", "gpgcheck=True"} <= set(lines)
        assert lines[lines.index("Exclude=kernel*") + 1] == "  sudo*"
        assert lines[-3:] == ["[local]", "baseurl=file:///srv/local", "gpgcheck = 0"]

    @pytest.mark.parametrize("scope", ["repositories", "transaction"])
    def test_what_is_done_is_ours(self, shell: list[str], scope: str, tmp_path: Path) -> None:
        lines = self.written(shell, scope, tmp_path)
        assert {"strict=1", "best=1", "install_weak_deps=0", "installonly_limit=0"} <= set(lines)
        assert "clean_requirements_on_remove=0" in lines
        assert not {"best=False", "strict = 0", "skip_broken=1", "assumeyes=1"} & set(lines)
        assert not {"tsflags=test", "protected_packages=", "install_weak_deps=1"} & set(lines)
        assert [line for line in lines if line.startswith("protected_packages=")]

    def test_a_transaction_knows_no_repository_and_no_password(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        text = "\n".join(self.written(shell, "transaction", tmp_path))
        assert "secret" not in text
        assert "[local]" not in text
        assert "kernel*" not in text

    def test_which_repositories_want_signatures(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "repos").mkdir()
        (tmp_path / "repos/a.repo").write_text("[a]\nname=a\n[b]\ngpgcheck=no\n[c]\ngpgcheck=0\r\n")
        (tmp_path / "dnf.conf").write_text(HOST + f"[main]\nreposdir={tmp_path}/repos\n")
        script = (CONNECTION / "manager_dnf_settings.sh").read_text()
        script = script.replace("/etc/dnf/dnf.conf", f"{tmp_path}/dnf.conf")
        lines = run(shell, f"{script}\ndnf_gpgchecks").splitlines()
        assert sorted(lines) == ["a yes", "b no", "c yes", "local no"]
