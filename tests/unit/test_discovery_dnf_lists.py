"""What a dnf host's repositories are worth, and which security updates its excludes hide."""

import pytest

from patchctl.discovery.parsers import dnf_lists
from patchctl.models.facts import Package, PackageLists, PendingUpdate
from patchctl.protocol.sections import Section, Unparsed

NOW = 1_795_800_000
SAID = """\
Errors during downloading metadata for repository 'app':
  - Curl error (7): Couldn't connect to server for http://***@mirror/repomd.xml
  - Curl error (6)
Error: Failed to download metadata for repo 'app': Cannot download repomd.xml
"""


def lists(
    *rows: str, refresh: Section | None = None, settings: str = "", code: int = 0
) -> tuple[PackageLists, ...]:
    return dnf_lists.lists(
        Section("sources", list(rows), code),
        settings.splitlines(),
        refresh,
        now=NOW,
        ahead=100,
        unparsed=Unparsed(),
    )


def refreshed(said: str = "", code: int = 0) -> Section:
    return Section("refresh", said.splitlines(), code)


def test_lists_are_as_old_as_their_index_by_our_clock() -> None:
    assert lists(f"base\t{NOW - 500}\tyes") == (
        PackageLists(repository="base", fetched=NOW - 600, fault=""),
    )


def test_lists_that_were_just_fetched_are_of_now() -> None:
    (one,) = lists(f"base\t{NOW - 9000}\tyes", refresh=refreshed())
    assert (one.fetched, one.fault) == (NOW, "")


def test_a_repository_that_was_never_fetched_is_a_fault() -> None:
    (one,) = lists("base\t0\tyes")
    assert (one.fetched, one.fault) == (0, dnf_lists.NEVER)


def test_one_that_cannot_be_read_says_what_curl_said() -> None:
    base, app = lists(
        f"base\t{NOW - 500}\tyes", f"app\t{NOW - 500}\tyes", refresh=refreshed(SAID, 1)
    )
    assert (base.fetched, base.fault) == (NOW - 600, "")
    assert app.fetched == NOW - 600
    assert (
        app.fault == "Curl error (7): Couldn't connect to server for http://***@mirror/repomd.xml"
    )


def test_one_that_dnf_goes_on_without_is_no_less_unread() -> None:
    """The default of Fedora and Debian says of all of them that they may be missing."""
    (one,) = lists(
        f"app\t{NOW - 500}\tyes",
        refresh=refreshed("Ignoring repositories: other, app"),
        settings="[main]\nskip_if_unavailable=True\n[app]\ngpgcheck=1",
    )
    assert one.fault == dnf_lists.IGNORED


@pytest.mark.parametrize(("value", "fault"), [("1", ""), ("0", dnf_lists.IGNORED)])
def test_one_that_its_own_setting_makes_optional_holds_nobody(value: str, fault: str) -> None:
    (one,) = lists(
        f"app\t{NOW - 500}\tyes",
        refresh=refreshed("Ignoring repositories: app"),
        settings=f"[other]\nskip_if_unavailable=1\n[app]\nskip_if_unavailable = {value}",
    )
    assert one.fault == fault


def test_it_says_who_publishes_no_advisories() -> None:
    assert [one.advisories for one in lists("a\t1\tyes", "b\t1\tno")] == [True, False]


def test_where_they_cannot_be_told_that_is_a_fault_of_all() -> None:
    assert lists(code=1) == (PackageLists(fault=dnf_lists.UNREAD),)


class TestExcludes:
    INSTALLED = tuple(
        Package(name=name, version="1-1", arch="noarch") for name in ("web", "lib", "doc")
    )
    LINES = {
        "unhidden": ["web.noarch 2-1 r", "lib.noarch 2-1 r", "doc.noarch 2-1 r"],
        "unhidden_advisories": [
            "SA-1 Important/Sec. web-2-1.noarch",
            "SA-2 Low/Sec. lib-2-1.noarch",
            "BA-3 bugfix doc-2-1.noarch",
        ],
        "excludes": [
            "/etc/dnf/dnf.conf:exclude=kernel*, w?b",
            "/etc/yum.repos.d/r.repo:excludepkgs=x",
        ],
    }

    def test_a_security_update_is_named_with_the_setting_that_hides_it(self) -> None:
        pending = PendingUpdate(name="lib", arch="noarch", installed="1-1", candidate="2-1")
        (one,) = dnf_lists.hidden(self.LINES, self.INSTALLED, [pending], ())
        assert (one.name, one.installed, one.version) == ("web", "1-1", "2-1")
        assert one.by == "exclude=kernel*, w?b in /etc/dnf/dnf.conf"

    def test_by_whatever_it_is_hidden(self) -> None:
        found = dnf_lists.hidden({**self.LINES, "excludes": []}, self.INSTALLED, (), ())
        assert [(one.name, one.by) for one in found] == [
            ("lib", "an exclude of dnf there"),
            ("web", "an exclude of dnf there"),
        ]
