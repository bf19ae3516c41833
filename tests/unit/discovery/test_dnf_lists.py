"""Which of dnf's repositories could be read: by recorded answers of dnf 4.14 and others."""

import pytest

from patchctl.discovery.parsers import dnf_lists, rpm
from patchctl.models.facts import PackageLists
from patchctl.protocol.sections import Section, Unparsed

NOW, THEN = 1_795_833_319, 1_795_775_490
LOST = (
    "Curl error (7): Couldn't connect to server for http://127.0.0.1:9/x/repodata/repomd.xml"
    " [Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server]"
)
OPTIONAL = (
    "Errors during downloading metadata for repository 'extras':",
    f"  - {LOST}",
    "Error: Failed to download metadata for repo 'extras': Cannot download repomd.xml: Cannot"
    " download repodata/repomd.xml: All mirrors were tried",
    "Ignoring repositories: extras",
)
SETTINGS = ("[main]", "gpgcheck=1", "[extras]", "skip_if_unavailable = True")
BOTH = ("base", "extras")
TIMES = (f"{THEN}\tbase", f"{THEN - 9}\tbase", f"{THEN}\textras")


def lists(
    *said: str,
    code: int | None = 0,
    sources: tuple[str, ...] = BOTH,
    times: tuple[str, ...] = TIMES,
    refreshed: bool = True,
    silent: tuple[str, ...] = (),
) -> tuple[PackageLists, ...]:
    """Return the lists of a host whose clock is 60 s ahead."""
    unparsed = Unparsed()
    fetching = Section("refresh", list(said), code) if refreshed else None
    known = Section("sources", list(sources), 0)
    repositories = dnf_lists.lists(known, times, SETTINGS, silent, fetching, NOW, 60, unparsed)
    assert unparsed.all() == ()
    return repositories


BASE, EXTRAS = PackageLists(repository="base"), PackageLists(repository="extras", optional=True)


def fetched(which: PackageLists, moment: int, fault: str = "") -> PackageLists:
    return PackageLists(
        repository=which.repository, fetched=moment, fault=fault, optional=which.optional
    )


class TestFetchingThemAnew:
    def test_all_are_of_now_where_dnf_is_content(self) -> None:
        assert lists() == (fetched(BASE, NOW), fetched(EXTRAS, NOW))

    def test_one_that_may_be_missing_has_its_fault_though_dnf_ends_well(self) -> None:
        assert lists(*OPTIONAL) == (fetched(BASE, NOW), fetched(EXTRAS, THEN - 60, LOST))

    def test_one_that_must_be_there_ends_it_and_says_nothing_of_others(self) -> None:
        said = [line.replace("extras", "base") for line in OPTIONAL[:3]]
        assert lists(*said, code=1) == (
            fetched(BASE, THEN - 60, LOST),
            fetched(EXTRAS, THEN - 60),
        )

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("Error: Failed to download metadata for repo 'extras': GPG verification is enabled,"
             " but GPG signature is not available.",
             "GPG verification is enabled, but GPG signature is not available."),
            (" failure: repodata/repomd.xml from extras: [Errno 256] No more mirrors to try.",
             "[Errno 256] No more mirrors to try."),
            ("failure: repodata/repomd.xml from extras/7/x86_64: [Errno 256] No more mirrors.",
             "[Errno 256] No more mirrors."),
            ('Failed to download metadata (baseurl: "http://x/") for repository "extras"',
             dnf_lists.UNEXPLAINED),
            ("Ignoring repositories: other, extras", dnf_lists.UNEXPLAINED),
        ],
    )  # fmt: skip
    def test_the_words_of_each_version_name_the_repository(self, line: str, fault: str) -> None:
        assert lists(line, code=1) == (fetched(BASE, THEN - 60), fetched(EXTRAS, THEN - 60, fault))

    @pytest.mark.parametrize(
        ("said", "code", "fault"),
        [
            (("Error: makecache did not end within 180 s",), 124,
             "makecache did not end within 180 s"),
            ((), 1, dnf_lists.UNEXPLAINED),
            ((), None, dnf_lists.UNEXPLAINED),
        ],
    )  # fmt: skip
    def test_an_end_that_names_none_speaks_of_all(
        self, said: tuple[str, ...], code: int | None, fault: str
    ) -> None:
        assert [repository.fault for repository in lists(*said, code=code)] == [fault, fault]

    def test_none_that_dnf_has_no_copy_of_is_good(self) -> None:
        base, extras = lists(times=(f"{THEN}\tbase",))
        assert (base.fault, extras.fault) == ("", dnf_lists.UNEXPLAINED)


class TestAsTheyLieThere:
    def test_the_newest_time_counts_by_our_clock(self) -> None:
        assert lists(refreshed=False) == (fetched(BASE, THEN - 60), fetched(EXTRAS, THEN - 60))

    def test_what_was_never_fetched_is_told(self) -> None:
        base, extras = lists(times=(), refreshed=False)
        assert base.fault == extras.fault == dnf_lists.NEVER

    def test_a_host_without_repositories_cannot_be_up_to_date(self) -> None:
        assert lists(sources=(), refreshed=False) == (PackageLists(fault=dnf_lists.NO_REPOSITORY),)

    @pytest.mark.parametrize(
        "said",
        [
            "Curl error (58): Problem with the local SSL certificate for https://cdn/repomd.xml"
            " [could not load PEM client certificate from /etc/pki/entitlement/1.pem, OpenSSL]",
            "Curl error (35): SSL connect error for https://cdn/repomd.xml"
            " [error reading X.509 key or certificate file]",
        ],
    )
    def test_a_certificate_of_a_subscription_that_is_away_is_named(self, said: str) -> None:
        base, _ = lists(*(line.replace("extras", "base").replace(LOST, said) for line in OPTIONAL))
        assert base.fault == f"{said}; {dnf_lists.CERTIFICATE}"
        assert "subscription" not in lists(*OPTIONAL)[1].fault

    def test_one_that_is_not_registered_is_told_how_it_gets_them(self) -> None:
        said = "This system is not registered with an entitlement server. You can use ..."
        (row,) = lists(said, "Error: There are no enabled repositories", code=1, sources=())
        assert row == PackageLists(fault=dnf_lists.UNREGISTERED)
        assert "`subscription-manager register`" in row.fault
        # Where it has others, each of these tells of itself.
        assert lists(said)[0].fault == ""

    @pytest.mark.parametrize("code", [1, None])
    def test_repositories_that_were_not_told_are_a_fault(self, code: int | None) -> None:
        sources = Section("sources", ["base"], code)
        repositories = dnf_lists.lists(sources, TIMES, SETTINGS, (), None, NOW, 0, Unparsed())
        assert repositories == (PackageLists(fault=dnf_lists.SOURCES_UNREAD),)

    def test_what_nobody_understands_is_recorded(self) -> None:
        unparsed = Unparsed()
        sources = Section("sources", ["ba\x1bse", "base"], 0)
        repositories = dnf_lists.lists(sources, ["x\tbase"], SETTINGS, (), None, NOW, 0, unparsed)
        assert [repository.repository for repository in repositories] == ["base"]
        assert [row.section for row in unparsed.all()] == ["lists", "sources"]


def test_a_line_about_one_repository_is_no_note_on_the_host() -> None:
    assert all(dnf_lists.is_detail(line) for line in OPTIONAL)
    assert not dnf_lists.is_detail("Error: Cannot open the configuration")


@pytest.mark.parametrize(
    ("hold", "held"),
    [
        ("bash-0:5.1.8-6.el9_1.*", True),
        ("bash-5.1.8-6.el9_1.x86_64", True),
        ("bash", True),
        ("ba*", True),
        ("bash-0:5.2.0-1.*", True),  # goes there and no further
        ("bash-completion-0:5.1.8-6.el9_1.*", False),
        ("!bash-0:5.2.0-1.*", False),
        ("exclude bash", True),
        ("exclude b*.x86_64", True),
        ("exclude bash-5.2*", False),
        ("exclude bash-doc", False),
    ],
)
def test_what_holds_a_package(hold: str, held: bool) -> None:
    row = "bash\t(none)\t5.1.8\t6.el9_1\tx86_64\tbash-5.1.8-6.el9_1.src.rpm\t9\t"
    (package,) = rpm.packages([row], [], [hold], Unparsed()).packages
    assert package.held is held


def test_repositories_without_advisories_are_marked() -> None:
    assert [repository.advisories for repository in lists(silent=("extras", "gone"))] == [
        True,
        False,
    ]
