"""Which hosts are asked for advisories, and what is believed of what they answer."""

import base64
import gzip
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from assessment_world import facts
from hypothesis import given
from hypothesis import strategies as st
from plan_world import fleet
from plan_world import host as planned

from patchctl.adapters import files
from patchctl.adapters.feeds.store import FeedStore
from patchctl.errors import NotFoundError
from patchctl.models.advisory import BadRecord
from patchctl.models.facts import OsRelease, PackageManager, Repository
from patchctl.models.feeds import FeedUpdate, UpdateOutcome
from patchctl.models.state import KnownHost
from patchctl.protocol.advisories import Given, Nothing, parse
from patchctl.protocol.jobs import Answer, AnswerStatus, Job
from patchctl.wiring.feeds import read
from patchctl.workflows.feeds.host_feeds import Group, HostFeeds, groups
from patchctl.workflows.feeds.keep import Feeds

NOW = 1_790_000_000
NAME = "updateinfo-red-hat-9-x86-64-base"


def known(name: str, *repositories: str, dated: int = 0, imported: bool = False) -> KnownHost:
    own = facts(
        "Red Hat:9",
        (),
        repositories=[Repository(uri="u", origin=it, dated=dated) for it in repositories],
    )
    own = msgspec.structs.replace(own, manager=PackageManager.DNF, architecture="x86_64")
    return KnownHost(name=name, snapshot="s", taken=1, imported=imported, software=name, facts=own)


def updateinfo(*numbers: int, package: str = "openssl") -> bytes:
    return b"<?xml version='1.0'?><updates>%s</updates>" % b"".join(
        b'<update type="security"><id>RHSA-2026:%d</id><title>Important: x</title>'
        b'<issued date="2026-01-02 00:00:00"/><references>'
        b'<reference id="CVE-2026-1000%d" type="cve"/></references><pkglist><collection>'
        b'<package name="%s" version="1" release="2" arch="x86_64"/>'
        b"</collection></pkglist></update>" % (number, number, package.encode())
        for number in numbers
    )


def line(data: bytes, repository: str = "base", revision: str = str(NOW - 60)) -> str:
    return f"repository {repository} {revision} {base64.b64encode(data).decode()}"


def answer(*lines: str) -> str:
    return "\n".join(["advisories 1", *lines, "end", ""])


class Runner:
    """Hosts answer as the test says; other hosts are not reached."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    def run(self, job: Job, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Answer]:
        meanwhile()
        names = list(job.inventory["all"]["hosts"])
        self.asked.append(names)
        for name in names:
            if name in self.answers:
                yield Answer(
                    job=job.id, host=name, status=AnswerStatus.OK, output=self.answers[name], rc=0
                )
            else:
                yield Answer(
                    job=job.id,
                    host=name,
                    status=AnswerStatus.UNREACHABLE,
                    reason="connection refused",
                )


class Site:
    def __init__(self, root: Path) -> None:
        self.store = FeedStore(root / "feeds", lambda: NOW * 1000)
        self.lines: list[str] = []
        self.runner = Runner({})
        self._root = root

    def update(self, answers: Mapping[str, str], *hosts: KnownHost) -> dict[str, FeedUpdate]:
        """Return the results by feed."""
        self.runner = Runner(answers)
        asked = hosts or (known("a", "base"),)
        feeds = Feeds(
            store=self.store,
            files=files,
            read=read,
            folder=self._root / "feeds",
            say=self.lines.append,
        )
        inventory = fleet(
            *(msgspec.structs.replace(planned(host.name), groups=()) for host in asked)
        )
        work = HostFeeds(feeds, fleet=inventory, runner=self.runner, job="feeds-1", read=read)
        names = {host.name for host in asked}
        updates = list(work.update(groups(asked, names)))
        assert len({update.name for update in updates}) == len(updates)
        return {update.name: update for update in updates}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


class TestWhoIsAsked:
    def test_one_host_for_each_set_of_repositories_the_newest_first(self) -> None:
        hosts = [known("a", "base", dated=5), known("b", "base", dated=9), known("c", "base", "x")]
        asked = groups(hosts, {"a", "b", "c"})
        assert [group.hosts for group in asked] == [("b", "a"), ("c",)]
        assert asked[0] == Group(ecosystem="Red Hat:9", architecture="x86_64", hosts=("b", "a"))

    def test_only_hosts_that_were_chosen_and_can_be_reached(self) -> None:
        hosts = [known("a", "base"), known("b", "base"), known("c", "base", imported=True)]
        assert [group.hosts for group in groups(hosts, {"b", "c"})] == [("b",)]

    def test_without_a_dnf_host_it_is_said_what_to_do(self) -> None:
        debian = msgspec.structs.replace(known("a"), facts=facts("Debian:12", ()))
        with pytest.raises(NotFoundError, match="no host with dnf") as error:
            groups([debian], {"a"})
        assert "feeds import" in error.value.hint

    def test_others_of_the_set_are_asked_where_one_fails(self, site: Site) -> None:
        hosts = [known("a", "base"), known("b", "base"), known("c", "base", "x")]
        updates = site.update({"b": answer(line(updateinfo(1))), "c": answer("without x")}, *hosts)
        assert site.runner.asked == [["a", "c"], ["b"]]
        assert updates[NAME].outcome is UpdateOutcome.UPDATED
        assert "c: repository x publishes no advisories" in site.lines

    def test_three_hosts_of_a_set_are_enough(self, site: Site) -> None:
        updates = site.update({}, *(known(name, "base") for name in "abcde"))
        assert site.runner.asked == [["a"], ["b"], ["c"]]
        (failed,) = updates.values()
        assert failed.reason == "; ".join(f"{name}: connection refused" for name in "abc")


class TestWhatIsHeld:
    def test_a_repository_is_a_feed_of_the_hosts_system_dated_by_its_index(
        self, site: Site
    ) -> None:
        updates = site.update({"a": answer(line(gzip.compress(updateinfo(1, 2))))})
        info = updates[NAME].feed
        assert info is not None
        assert (info.entries, info.dated) == (2, NOW - 60)
        assert info.ecosystems == {"Red Hat:9": 2}
        assert [advisory.id for _, advisory in site.store.advisories("Red Hat:9")] == [
            "RHSA-2026:1",
            "RHSA-2026:2",
        ]

    def test_a_rebuild_that_nobody_else_speaks_of_has_its_own_advisories(self, site: Site) -> None:
        host = known("a", "base")
        system = OsRelease(id="ourlinux", version_id="9.4", id_like=("rhel", "fedora"))
        own = msgspec.structs.replace(host.facts, os=system)
        updates = site.update(
            {"a": answer(line(updateinfo(1)))}, msgspec.structs.replace(host, facts=own)
        )
        info = updates["updateinfo-ourlinux-9-x86-64-base"].feed
        assert info is not None
        assert info.ecosystems == {"ourlinux:9": 1}

    def test_of_two_hosts_the_newest_index_is_held(self, site: Site) -> None:
        old, new = line(updateinfo(1, 2), revision="1780000000"), line(updateinfo(3))
        hosts = [known("a", "base"), known("b", "base", "x")]
        for first, second in [(old, new), (new, old)]:
            site.update({"a": answer(first), "b": answer(second)}, *hosts)
            assert site.store.ids(NAME) == {"RHSA-2026:3"}

    def test_an_empty_one_is_no_feed_and_no_failure(self, site: Site) -> None:
        assert site.update({"a": answer(line(updateinfo()))}) == {}
        assert "a: repository base publishes no advisories" in site.lines

    def test_broken_records_name_the_repository_and_no_file(self, site: Site) -> None:
        data = updateinfo(1).replace(b"<pkglist>", b"<pkglist><collection><package/></collection>")
        site.update({"a": answer(line(data))})
        (bad,) = site.store.bad(NAME)
        assert bad == BadRecord(
            place="a: repository base: RHSA-2026:1",
            reason="package  without version and release",
        )


BOMB = gzip.compress(b"<updates>" + b" " * (64 << 20))
WRONG: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "noise": lambda: "Welcome!\n" * 1000,
    "cut": lambda: answer(line(updateinfo(1))).removesuffix("end\n"),
    "no-base64": lambda: answer("repository base 1 ====="),
    "template": lambda: answer("repository {{base}} 1 AAAA"),
    "path": lambda: answer(line(updateinfo(1), repository="../../etc")),
    "endless": lambda: answer(*[line(b"x")] * 500),
    "html": lambda: answer(line(b"<html><body>log in</body></html>")),
    "other-kind": lambda: answer(line(b"cve,epss,percentile\nCVE-2026-1,0.1,0.1\n")),
    "cut-xml": lambda: answer(line(updateinfo(1, 2)[:-40])),
    "cut-gzip": lambda: answer(line(gzip.compress(updateinfo(*range(500)))[:-30])),
    "entities": lambda: answer(
        line(updateinfo(1).replace(b"<updates>", b'<!DOCTYPE u [<!ENTITY a "b">]><updates>'))
    ),
    "bomb": lambda: answer(line(BOMB)),
    "future": lambda: answer(line(updateinfo(1), revision=str(NOW + 999_999))),
    "replayed": lambda: answer(line(updateinfo(1), revision="1780000000")),
    "host-failed": lambda: answer("failed - dnf makecache: \x1b[31mno route\x07"),
    "repository-failed": lambda: answer("failed base dnf could not bring it up to date"),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_what_is_held(site: Site, how: str) -> None:
    site.update({"a": answer(line(updateinfo(7)))})
    before = site.store.get(NAME)
    (failed,) = site.update({"a": WRONG[how]()}).values()
    assert failed.outcome is UpdateOutcome.FAILED
    assert failed.reason.isprintable()
    assert str(site.store._folder) not in failed.reason
    assert site.store.get(NAME) == before


def test_one_wrong_repository_does_not_take_the_others_along(site: Site) -> None:
    updates = site.update({"a": answer("failed x gone", line(updateinfo(1)), line(b"?", "y"))})
    assert {name: update.outcome for name, update in updates.items()} == {
        NAME: UpdateOutcome.UPDATED,
        NAME.replace("base", "x"): UpdateOutcome.FAILED,
        NAME.replace("base", "y"): UpdateOutcome.FAILED,
    }


@given(st.text(max_size=200))
def test_any_text_is_an_answer_or_refused(text: str) -> None:
    for given_text in (text, answer(text)):
        try:
            replies = parse(given_text)
        except ValueError:
            continue
        assert all(isinstance(reply, Given | Nothing) for reply in replies)
