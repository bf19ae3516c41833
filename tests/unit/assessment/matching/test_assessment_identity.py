"""Several records of one advisory: no record hides another, and each package is judged alone."""

from assessment_world import World, advisory, by_binary, by_source, facts, package

from patchctl.assessment.matching.identity import AdvisoryRecord, reconcile
from patchctl.models.advisory import Advisory, Affected, FeedKind
from patchctl.models.facts import HostFacts

CVE = "CVE-2026-2000"
ALMA, ROCKY = "AlmaLinux:8", "Rocky Linux:9"
Held = tuple[str, FeedKind, Advisory]


def updateinfo(feed: str, *affected: Affected, modified: int = 100, cve: str = CVE) -> Held:
    return feed, FeedKind.UPDATEINFO, advisory("A-1", cve, *affected, modified=modified)


def osv(feed: str, *affected: Affected, modified: int = 200, cve: str = CVE) -> Held:
    return feed, FeedKind.OSV, advisory("A-1", cve, *affected, modified=modified)


def x86(name: str, fixed: str, **more: object) -> Affected:
    return by_binary(ALMA, name, fixed, arch="x86_64", **more)


def host(*packages: str, arch: str = "x86_64", system: str = ALMA) -> HostFacts:
    made = (line.split() for line in packages)
    return facts(
        system, [package(name, version, name, version, arch=arch) for name, version in made]
    )


def fixes(host: HostFacts, *held: Held) -> dict[str, str | None]:
    """Return CVE -> the fixed version that a host gets from these records."""
    world = World()
    world.held += held
    return {cve: finding.fixed for cve, finding in world.findings(host).items()}


def counted(*held: Held, arches: tuple[str, ...] = ("x86_64",)) -> dict[str, list[tuple[str, str]]]:
    """Return feed -> (package and architecture, fixed) of the records that are used."""
    fixes_by_feed: dict[str, list[tuple[str, str]]] = {}
    for record in reconcile(held, arches):
        for affected in record.advisory.affected:
            name = f"{affected.name}.{affected.arch}" if affected.arch else affected.name
            fixes_by_feed.setdefault(record.feed, []).append((name, affected.fixed))
    return fixes_by_feed


def test_a_package_that_only_osv_lists_is_found_beside_a_repository_s_updateinfo() -> None:
    own = updateinfo("appstream", x86("webkit", "2-1.el8"))
    copy = osv("osv", by_binary(ALMA, "webkit", "2-1.el8"), by_binary(ALMA, "shell", "3-5.el8"))
    assert fixes(host("webkit 2-1.el8", "shell 3-2.el8"), own, copy) == {CVE: "3-5.el8"}


def test_where_both_list_a_package_the_one_with_module_and_architecture_is_used() -> None:
    own = updateinfo("appstream", x86("ruby", "2-1.module+el8", module="ruby:2.6"))
    copy = osv("osv", by_binary(ALMA, "ruby", "2-1.module+el8", module="modular"))
    (record,) = reconcile([own, copy], ["x86_64"])
    assert record.feed == "appstream"
    assert record.advisory.affected[0].module == "ruby:2.6"


def test_a_newer_record_that_says_something_else_corrects_the_older_one_by_package() -> None:
    own = updateinfo("base", x86("bash", "4-5.el8"), x86("bash-doc", "4-5.el8"))
    copy = osv("osv", by_binary(ALMA, "bash", "4-6.el8"), by_binary(ALMA, "bash-doc", "4-5.el8"))
    assert counted(own, copy) == {
        "base": [("bash-doc.x86_64", "4-5.el8")],
        "osv": [("bash", "4-6.el8")],
    }
    older = osv("osv", by_binary(ALMA, "bash", "4-6.el8"), modified=50)
    assert counted(own, older)["base"][0] == ("bash.x86_64", "4-5.el8")
    assert "osv" not in counted(own, older)


def test_without_a_date_the_record_with_more_detail_stays() -> None:
    own = updateinfo("base", x86("bash", "4-5.el8"), modified=0)
    assert counted(own, osv("osv", by_binary(ALMA, "bash", "4-6.el8"))) == {
        "base": [("bash.x86_64", "4-5.el8")]
    }


def test_an_epoch_of_zero_makes_no_other_version() -> None:
    own = updateinfo("base", x86("bash", "4-5.el8"))
    assert list(counted(own, osv("osv", by_binary(ALMA, "bash", "0:4-5.el8")))) == ["base"]


def test_the_repository_of_one_architecture_is_silent_on_the_others() -> None:
    own = updateinfo("base-x86", x86("bash", "4-5.el8"))
    copy = osv("osv", by_binary(ALMA, "bash", "4-5.el8"))
    assert counted(own, copy, arches=("x86_64", "aarch64")) == {
        "base-x86": [("bash.x86_64", "4-5.el8")],
        "osv": [("bash.aarch64", "4-5.el8")],
    }
    assert fixes(host("bash 4-1.el8", arch="aarch64"), own, copy) == {CVE: "4-5.el8"}


def test_a_repository_of_several_architectures_says_which_are_affected() -> None:
    other = ("base", FeedKind.UPDATEINFO, advisory(
        "A-2", CVE, by_binary(ALMA, "other", "1-1", arch="aarch64")))  # fmt: skip
    own, copy = (
        updateinfo("base", x86("bash", "4-5.el8")),
        osv("osv", by_binary(ALMA, "bash", "4-5.el8")),
    )
    assert fixes(host("bash 4-1.el8", arch="aarch64"), own, other, copy) == {}


def test_a_package_for_every_architecture_is_spoken_of_everywhere() -> None:
    own = updateinfo("base", by_binary(ALMA, "docs", "1-2.el8"))
    copy = osv("osv", by_binary(ALMA, "docs", "1-2.el8"))
    assert list(counted(own, copy, arches=("x86_64", "s390x"))) == ["base"]


def test_two_repositories_of_one_release_stand_side_by_side() -> None:
    first = updateinfo("appstream", x86("webkit", "2-1.el8"))
    second = updateinfo("powertools", x86("shell", "3-5.el8"))
    fixed = fixes(host("webkit 2-1.el8", "shell 3-2.el8"), first, second)
    assert fixed == {CVE: "3-5.el8"}


def test_of_two_editions_of_a_repository_the_newer_record_counts_by_package() -> None:
    old = updateinfo("old", x86("bash", "4-5.el8"), x86("bash-doc", "4-5.el8"))
    new = updateinfo("new", x86("bash", "4-6.el8"), modified=300)
    assert counted(old, new) == {
        "old": [("bash-doc.x86_64", "4-5.el8")],
        "new": [("bash.x86_64", "4-6.el8")],
    }


def test_another_line_of_builds_is_no_newer_edition() -> None:
    plain = updateinfo("base", x86("openssl", "1-5.el8"))
    for fixed in ("1-5.ksplice1.el8", "1-5.el8_fips", "1-4.el8_4"):
        other = updateinfo("other", x86("openssl", fixed), modified=300)
        assert counted(plain, other) == {
            "base": [("openssl.x86_64", "1-5.el8")],
            "other": [("openssl.x86_64", fixed)],
        }


def test_of_two_osv_records_the_newer_one_counts_whatever_the_feeds_dates() -> None:
    """The feeds come in the order of their own dates."""
    stale = osv(
        "new-feed", by_binary(ALMA, "bash", "4-5.el8"), by_binary(ALMA, "old", "1"), modified=1
    )
    fresh = osv("old-feed", by_binary(ALMA, "bash", "4-6.el8"), modified=2)
    assert counted(stale, fresh) == {"new-feed": [("old", "1")], "old-feed": [("bash", "4-6.el8")]}


def test_copies_of_one_record_count_once() -> None:
    held = [osv(feed, by_binary(ALMA, "bash", "4-5.el8")) for feed in ("a", "b")]
    assert list(counted(*held)) == ["a"]


def test_a_withdrawal_counts_where_it_is_the_newest_record() -> None:
    own = updateinfo("base", x86("bash", "4-5.el8"))
    gone = advisory("A-1", CVE, by_binary(ALMA, "bash", "4-5.el8"), modified=300, withdrawn=300)
    assert fixes(host("bash 4-1.el8"), own, ("osv", FeedKind.OSV, gone)) == {}
    again = updateinfo("base", x86("bash", "4-5.el8"), modified=400)
    assert fixes(host("bash 4-1.el8"), again, ("osv", FeedKind.OSV, gone)) == {CVE: "4-5.el8"}


def test_cves_that_only_one_record_names_are_found() -> None:
    own = updateinfo("base", x86("bash", "4-5.el8"))
    copy = osv("osv", by_binary(ALMA, "bash", "4-5.el8"), cve="CVE-2026-2001")
    assert sorted(fixes(host("bash 4-1.el8"), own, copy)) == [CVE, "CVE-2026-2001"]


def test_an_id_that_one_repository_repeats_is_kept_each_time() -> None:
    """SUSE's key is id and version."""
    first = updateinfo("suse", x86("bash", "4-5.el8"))
    second = updateinfo("suse", x86("bash", "4-6.el8"), modified=300)
    assert counted(first, second) == {
        "suse": [("bash.x86_64", "4-5.el8"), ("bash.x86_64", "4-6.el8")]
    }


def test_the_tracker_s_ids_are_no_repetitions() -> None:
    entries = [
        (feed, kind, advisory("DEBIAN-CVE-2026-1", CVE, by_source("Debian:12", name, "1-2")))
        for feed, kind, name in (
            ("tracker", FeedKind.DEBIAN_TRACKER, "a"),
            ("tracker", FeedKind.DEBIAN_TRACKER, "b"),
            ("osv", FeedKind.OSV, "a"),
        )
    ]
    assert list(reconcile(entries)) == [AdvisoryRecord(*entry) for entry in entries]


class TestSourcesBesideBinaries:
    """Rocky's OSV names sources, its repositories' updateinfo binaries."""

    OWN = updateinfo("base", by_binary(ROCKY, "bind-libs", "9-5.el9", arch="x86_64", source="bind"))
    COPY = osv("osv", by_source(ROCKY, "bind", "0:9-5.el9"))

    def fixes_of(
        self, name: str, version: str, *held: Held, arch: str = "x86_64"
    ) -> dict[str, str | None]:
        binary = package(name, version, "bind", version, arch=arch)
        return fixes(facts(ROCKY, [binary]), *held)

    def test_a_binary_that_updateinfo_does_not_list_is_found_by_its_source(self) -> None:
        assert CVE in self.fixes_of("bind-utils", "9-4.el9", self.OWN, self.COPY)
        assert not self.fixes_of("bind-utils", "9-5.el9", self.OWN, self.COPY)

    def test_a_listed_binary_is_judged_by_its_own_line(self) -> None:
        *_, copy = reconcile([self.OWN, self.COPY], ["x86_64"])
        assert copy.listed == {"bind": frozenset({"bind-libs"})}
        assert CVE in self.fixes_of("bind-libs", "9-4.el9", self.OWN, self.COPY)

    def test_another_version_than_the_binaries_is_the_source_s_own_word(self) -> None:
        copy = osv("osv", by_source(ROCKY, "bind", "0:9-6.el9"))
        assert CVE in self.fixes_of("bind-libs", "9-5.el9", self.OWN, copy)

    def test_another_architecture_is_found_by_the_source(self) -> None:
        assert CVE in self.fixes_of("bind-libs", "9-4.el9", self.OWN, self.COPY, arch="aarch64")

    def test_a_binary_with_the_name_of_its_source_silences_no_other(self) -> None:
        line = by_binary(ROCKY, "bind", "9-5.el9", arch="x86_64", source="bind")
        for fixed in ("0:9-5.el9", "0:9-6.el9"):
            held = (updateinfo("base", line), osv("osv", by_source(ROCKY, "bind", fixed)))
            assert CVE in self.fixes_of("bind-utils", "9-4.el9", *held)

    def test_a_source_without_a_fix_stays_where_its_record_is_newer(self) -> None:
        newer = osv("osv", by_source(ROCKY, "bind"), modified=self.OWN[2].modified + 1)
        assert CVE in self.fixes_of("bind-libs", "9-5.el9", self.OWN, newer)
        older = osv("osv", by_source(ROCKY, "bind"), modified=self.OWN[2].modified - 1)
        assert not self.fixes_of("bind-libs", "9-5.el9", self.OWN, older)


class Counted(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def test_the_work_grows_with_the_packages_of_an_advisory_and_not_with_their_square() -> None:
    def comparisons(count: int) -> int:
        names = [f"s{number}" for number in range(count)]
        built = [x86(f"b-{name}", "2-1.el8", source=Counted(name)) for name in names]
        sources = [by_source(ALMA, Counted(name), "2-1.el8") for name in names]
        Counted.compared = 0
        own, copy = updateinfo("appstream", *built), osv("osv", *sources)
        assert len(counted(own, copy)["appstream"]) == count
        return Counted.compared

    assert comparisons(400) < 3 * comparisons(200)
