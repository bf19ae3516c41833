"""Read Debian's versions: what a version shows, and which release it is from."""

import re

import pytest
from assessment_world import World, advisory, by_source, facts, package
from hypothesis import given
from hypothesis import strategies as st

from patchctl.assessment.matching import debian
from patchctl.models.advisory import FeedKind, VendorStatus
from patchctl.models.assessment import FindingState

CVE = "CVE-2026-1000"
BULLSEYE, BOOKWORM, TRIXIE, SID = "Debian:11", "Debian:12", "Debian:13", "Debian:sid"

upstreams = st.from_regex(
    re.compile(r"[0-9]{1,2}(\.[0-9]{1,3}){1,3}(~rc[0-9])?", re.A), fullmatch=True
)
revisions = st.from_regex(
    re.compile(r"[1-9](\.[0-9])?(~bpo1[0-9]\+[1-9]|[+~]deb1[0-9]u[1-9]|~exp[1-9])?", re.A),
    fullmatch=True,
)


@pytest.mark.parametrize(
    ("signed", "source"),
    [
        ("6.1.176+1", "6.1.176-1"),
        ("6.12.95+1~bpo12+1", "6.12.95-1~bpo12+1"),
        ("4.19.304+1+deb10u2", "4.19.304-1+deb10u2"),
        ("5.10.103+1~deb10u1", "5.10.103-1~deb10u1"),
        ("6.12~rc6+1~exp1", "6.12~rc6-1~exp1"),
    ],
)
def test_a_signed_kernels_version_and_its_sources_tell_each_other(signed: str, source: str) -> None:
    assert debian.unsigned(signed) == source
    assert debian.signed(source) == signed


@given(upstreams, revisions)
def test_signing_and_back_gives_the_same_version(upstream: str, revision: str) -> None:
    version = f"{upstream}-{revision}"
    assert debian.unsigned(debian.signed(version)) == version


@given(upstreams, revisions)
def test_a_version_with_a_dash_is_a_sources_already(upstream: str, revision: str) -> None:
    assert debian.unsigned(f"{upstream}-{revision}") == f"{upstream}-{revision}"


@pytest.mark.parametrize(
    ("source", "unsigned"),
    [
        ("linux-signed-amd64", "linux"),
        ("linux-signed-6.1-arm64", "linux-6.1"),
        ("linux-base", ""),
        ("grub-efi-amd64-signed", ""),
    ],
)
def test_the_source_of_a_signed_kernel(source: str, unsigned: str) -> None:
    assert debian.signed_source(source) == unsigned


@pytest.mark.parametrize(
    ("version", "release", "original"),
    [
        ("6.12.95-1~bpo12+1", "12", "6.12.95-1"),
        ("2.0-1~bpo70+1", "7", "2.0-1"),
        ("2.0-1~bpo9+2+b1", "9", "2.0-1"),
        ("257.9-1~deb13u1~bpo12+1", "12", "257.9-1~deb13u1"),
        ("2.0-1+deb12u1", "", "2.0-1+deb12u1"),
    ],
)
def test_a_backport_says_for_which_release_it_was_built(
    version: str, release: str, original: str
) -> None:
    assert debian.backported_to(version) == release
    assert debian.backported_from(version) == original


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("1.1.1w-0+deb11u3", "11"),
        ("130.0-1~deb12u1", "12"),
        ("20230311+deb12u1~deb11u1", "11"),
        ("2.0-1", ""),
    ],
)
def test_an_update_says_for_which_release_it_was_made(version: str, release: str) -> None:
    assert debian.updated_in(version) == release


class TestPlacing:
    """The tracker names what each release has; the release that has a version decides."""

    def world(self) -> World:
        return World().add(
            advisory(
                "DEBIAN-CVE-2026-1000",
                CVE,
                by_source(
                    BULLSEYE, "tool", in_release=("1.1-2+deb11u1",), status=VendorStatus.DEFERRED
                ),
                by_source(BOOKWORM, "tool", "1.5-3", in_release=("1.5-3",)),
                by_source(TRIXIE, "tool", "1.9-2", in_release=("1.9-2",)),
                by_source(SID, "tool", "2.1-1", in_release=("2.1-4",)),
                by_source(SID, "new", "3.0-2", in_release=("3.0-2",)),
            ),
            advisory("DEBIAN-CVE-2026-2", "CVE-2026-2", by_source(BOOKWORM, "other", "9-1")),
            kind=FeedKind.DEBIAN_TRACKER,
        )

    @pytest.mark.parametrize(
        ("version", "state"),
        [
            ("1.5-2", FindingState.FIXABLE),
            ("1.5-3", None),
            # Trixie's and unstable's, each behind and at its own fix.
            ("1.9-1", FindingState.FIXABLE),
            ("1.9-2", None),
            ("2.1-1", None),
            # What an upgrade left behind has its own release's word.
            ("1.1-2+deb11u1", FindingState.NO_FIX),
            # A backport is trixie's.
            ("1.9-1~bpo12+1", FindingState.FIXABLE),
            ("1.9-2~bpo12+1", None),
        ],
    )
    def test_on_bookworm(self, version: str, state: FindingState | None) -> None:
        states = self.world().states(facts(BOOKWORM, [package("tool", version)]))
        assert states == ({CVE: state} if state else {})

    @pytest.mark.parametrize(("version", "affected"), [("3.0-1", True), ("3.0-2", False)])
    def test_what_the_release_does_not_have_is_unstables(
        self, version: str, affected: bool
    ) -> None:
        states = self.world().states(facts(BOOKWORM, [package("new", version)]))
        assert (CVE in states) is affected

    def test_an_update_that_is_newer_than_the_feed_stays_in_its_release(self) -> None:
        """The kernel's updates have no word for their release."""
        world = World().add(
            advisory(
                "DEBIAN-CVE-2026-1000",
                CVE,
                by_source(BOOKWORM, "tool", "6.1.170-1", in_release=("6.1.176-1",)),
                by_source(TRIXIE, "tool", "6.12.94-1", in_release=("6.12.94-1",)),
            ),
            kind=FeedKind.DEBIAN_TRACKER,
        )
        assert not world.states(facts(BOOKWORM, [package("tool", "6.1.180-1")]))
