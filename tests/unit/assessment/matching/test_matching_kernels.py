"""Find the source of a kernel's image where an inventory does not name it."""

import pytest
from assessment_world import World, advisory, by_source, facts, package

from patchctl.assessment.findings.explain import Explainer
from patchctl.assessment.matching.kernels import is_of_flavours, ubuntu_sources
from patchctl.models.advisory import Affected

CVE = "CVE-2026-1000"
JAMMY = "Ubuntu:22.04"


@pytest.mark.parametrize(
    ("name", "version", "sources"),
    [
        ("linux-image-5.15.0-130-generic", "5.15.0-130.140", ("linux-hwe-5.15", "linux")),
        (
            "linux-image-6.8.0-1021-aws",
            "6.8.0-1021.23~22.04.1",
            ("linux-aws-6.8", "linux-aws-hwe-6.8", "linux-aws"),
        ),
        ("linux-image-unsigned-6.8.0-52-generic-64k", "6.8.0-52.53", ("linux-hwe-6.8", "linux")),
        ("linux-firmware", "20220329", ()),
        ("linux-image-generic", "5.15.0.130.128", ()),
    ],
)
def test_the_sources_of_ubuntus_kernels(name: str, version: str, sources: tuple[str, ...]) -> None:
    assert ubuntu_sources(name, version) == sources


class TestWithoutASource:
    """Inventories of other tools often name no source package."""

    def world(self) -> World:
        return World().add(
            advisory(
                "UBUNTU-CVE-2026-1000",
                CVE,
                by_source(JAMMY, "linux", "5.15.0-130.140"),
                by_source(JAMMY, "linux-aws", "5.15.0-1076.83"),
                by_source(JAMMY, "linux-aws-6.8", "6.8.0-1021.23~22.04.1"),
            )
        )

    @pytest.mark.parametrize(
        ("name", "version", "affected"),
        [
            ("linux-image-5.15.0-129-generic", "5.15.0-129.139", True),
            ("linux-image-5.15.0-130-generic", "5.15.0-130.140", False),
            # Past the generic kernel's fix, and behind its own.
            ("linux-image-5.15.0-1070-aws", "5.15.0-1070.76", True),
            ("linux-image-5.15.0-1076-aws", "5.15.0-1076.83", False),
            # Past linux-aws's fix, and behind its own.
            ("linux-image-6.8.0-1020-aws", "6.8.0-1020.22~22.04.1", True),
            ("linux-image-6.8.0-1021-aws", "6.8.0-1021.23~22.04.1", False),
        ],
    )
    def test_a_kernel_is_measured_by_its_own_flavour(
        self, name: str, version: str, affected: bool
    ) -> None:
        running = name.removeprefix("linux-image-")
        host = facts(JAMMY, [package(name, version)], running=running)
        assert (CVE in self.world().findings(host)) is affected


@pytest.mark.parametrize(
    ("name", "listed", "speaks"),
    [
        ("kernel-core", {"kernel-64k-core"}, False),
        ("kernel-64k-core", {"kernel-64k"}, True),
        # Built from the same source, which the plain kernel tells of.
        ("kernel-64k-core", {"kernel", "bpftool"}, True),
        ("glibc", {"glibc-static"}, True),
    ],
)
def test_an_advisory_for_one_flavour_says_nothing_of_another(
    name: str, listed: set[str], speaks: bool
) -> None:
    assert is_of_flavours(name, frozenset(listed)) is speaks


class TestFlavoursThatNoFeedSpeaksOf:
    """A plain advisory says nothing of a FIPS build, so without others it is not covered."""

    BUILD = package("libssl3", "3.0.2-0ubuntu1.10+Fips1", "openssl")

    def world(self, *affected: Affected) -> World:
        plain = by_source(JAMMY, "openssl", "3.0.2-0ubuntu1.15")
        return World().add(advisory("UBUNTU-CVE-2026-1000", CVE, plain, *affected))

    def test_it_counts_as_not_covered(self) -> None:
        assessor = self.world().assessor(facts(JAMMY, [self.BUILD]))
        assert not [findings for _, findings in assessor.findings() if findings]
        assert assessor.summary().not_covered == {JAMMY: 1}

    def test_explain_says_that_nothing_is_known(self) -> None:
        assessor = self.world().assessor(facts(JAMMY, [self.BUILD]))
        explanation = Explainer(assessor, lambda host, source: "").package("openssl", frozenset())
        assert any("no feed speaks of libssl3" in fact for fact in explanation.facts)

    def test_an_entry_of_its_own_covers_it(self) -> None:
        fips = by_source(JAMMY, "openssl", "3.0.2-0ubuntu1.12+Fips1", channel="fips-updates")
        assessor = self.world(fips).assessor(facts(JAMMY, [self.BUILD]))
        assert [finding.cve for _, findings in assessor.findings() for finding in findings] == [CVE]
        assert not assessor.summary().not_covered
