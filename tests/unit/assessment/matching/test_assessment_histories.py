"""Made-up histories of packages in which each build is known to have a fix or not: matching must
give the same result for each build, with all advisories of that history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from assessment_cases import host_of, world_of, write
from assessment_world import World

from patchctl.models.facts import HostFacts

# A host in the words of `assessment_cases`, and the CVEs that it truly has.
Told = Mapping[str, object]
Truth = tuple[Told, set[str]]


def differences(world: World, truths: Sequence[Truth]) -> list[str]:
    """Return where a host's CVEs differ from the true ones."""
    hosts: list[HostFacts] = [host_of(description) for description, _ in truths]
    cves_by_host = [
        {finding.cve for finding in findings} for _, findings in world.assessor(*hosts).findings()
    ]
    return [
        f"{description['os']} with {description['packages']}: missed {sorted(truth - cves)[:3]},"
        f" wrong {sorted(cves - truth)[:3]}"
        for (description, truth), cves in zip(truths, cves_by_host, strict=True)
        if cves != truth
    ]


def read(feeds: Mapping[str, object], folder: Path) -> World:
    write(feeds, folder)
    return world_of(folder)


# --- RHEL: a main stream, and branches that leave it at each minor release ----------------------

MINORS = (2, 4, 6, 8)
CHANNELS = ("rhel_eus", "rhel_e4s", "rhel_tus", "rhel_aus")


@dataclass(frozen=True)
class Fault:
    """A CVE that the main stream fixed while `current` was its minor release: in an update of that
    release, or with the next one. `branches` are the minor releases whose extended branches got the
    fix too."""

    cve: str
    current: int
    at_once: bool
    branches: frozenset[int]

    def fixed_in_main(self) -> str:
        return build(self.current, 2) if self.at_once else build(self.current + 2, 0)

    def is_in(self, minor: int, step: int) -> bool:
        """Whether a build of a minor release is without the fix."""
        if minor > self.current or (minor == self.current and self.at_once):
            return minor == self.current and step < 2
        return not (minor in self.branches and step >= 3)


def build(minor: int, step: int) -> str:
    """Return a build: the first one of a minor release (0), updates of it in the main stream (1,
    2), and those in its extended branch (3, 4)."""
    return f"1:7.61.1-{10 + minor}.el8" + (f"_{minor}.{step}" if step else "")


def faults() -> list[Fault]:
    made: list[Fault] = []
    for current, at_once in product(MINORS, (True, False)):
        left = [minor for minor in MINORS if minor < current or (minor == current and not at_once)]
        for chosen in product((True, False), repeat=len(left)):
            branches = frozenset(minor for minor, has in zip(left, chosen, strict=True) if has)
            made.append(Fault(f"CVE-2025-{10000 + len(made)}", current, at_once, branches))
    return made


def streams(fault: Fault) -> list[str]:
    """Return Red Hat's data for each stream that got the fix."""
    return [
        f"Red Hat:enterprise_linux:8::baseos | webget | {fault.fixed_in_main()}",
        *(
            f"Red Hat:{CHANNELS[minor // 2 % 4]}:8.{minor}::baseos | webget | {build(minor, 3)}"
            for minor in sorted(fault.branches)
        ),
    ]


def red_hat(*, together: bool) -> list[dict[str, object]]:
    """Return one advisory for all streams, or one for each stream."""
    if together:
        return [
            {"id": f"RHSA-2025:{number}", "cves": [fault.cve], "affected": streams(fault)}
            for number, fault in enumerate(faults())
        ]
    return [
        {"id": f"RHSA-2025:{number}{position}", "cves": [fault.cve], "affected": [stream]}
        for number, fault in enumerate(faults(), 1000)
        for position, stream in enumerate(streams(fault))
    ]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("upgraded", [0, 2])
def test_every_build_of_rhel(together: bool, upgraded: int, tmp_path: Path) -> None:
    """What an upgrade to the next minor release left behind is still the build that it was."""
    truths = [
        (
            {
                "os": f"rhel 8.{minor + upgraded}",
                "packages": [f"webget {build(minor, step)} x86_64"],
            },
            {fault.cve for fault in faults() if fault.is_in(minor, step)},
        )
        for minor, step in product(MINORS, range(5))
    ]
    assert differences(read({"osv": red_hat(together=together)}, tmp_path), truths) == []


# --- Debian: releases that leave unstable, with updates, backports and leftovers -----------------

RELEASES = {11: "bullseye", 12: "bookworm", 13: "trixie"}
# How the versions of a package grow: by a number for each release, a revision, and a plain counter.
FORMS = ["{0}.0-{1}", "1.{0}-{1}", "1.4.{0}-{1}", "20{0}0101-{1}", "20{0}010{1}", "{0}:1.4-{1}"]
FORMS += ["1.{0}+dfsg-{1}", "1.{0}~rc1-{1}", "1.4-{2}"]


@dataclass(frozen=True)
class Flaw:
    """A CVE that unstable fixed in a version with this number. `updated` are the releases that
    began without the fix, and got it with their second update."""

    cve: str
    fixed: int
    updated: frozenset[int]

    def is_in(self, release: int, step: int) -> bool:
        """Whether an update of a release, 0 for what it came with, is without the fix."""
        return came_with(release) < self.fixed and not (release in self.updated and step >= 2)


def came_with(release: int) -> int:
    """Return the version with which a release began: each release takes every third version of
    unstable."""
    return (release - 10) * 3 - 1


def flaws() -> list[Flaw]:
    made: list[Flaw] = []
    for fixed in range(1, 12):
        without = [release for release in RELEASES if came_with(release) < fixed]
        for chosen in product((True, False), repeat=len(without)):
            updated = frozenset(
                release for release, has in zip(without, chosen, strict=True) if has
            )
            made.append(Flaw(f"CVE-2025-{20000 + len(made)}", fixed, updated))
    return made


@dataclass(frozen=True)
class Debian:
    """A package whose versions all have the same form."""

    form: str

    def version(self, number: int) -> str:
        return self.form.format(number // 3 + 11, number % 3 + 1, number + 1)

    def update(self, release: int, step: int) -> str:
        """Return an update of a stable release; 0 is the version with which it began."""
        return self.version(came_with(release)) + (f"+deb{release}u{step}" if step else "")

    def tracker(self) -> dict[str, dict[str, dict[str, str]]]:
        return {"netlib": {flaw.cve: self.entry_of(flaw) for flaw in flaws()}}

    def entry_of(self, flaw: Flaw) -> dict[str, str]:
        fixed = f"fixed {self.version(flaw.fixed)}"
        words_by_suite = {"sid": f"{fixed}, has {self.version(11)}"}
        for release, name in RELEASES.items():
            if not flaw.is_in(release, 0):
                word = fixed
            elif release in flaw.updated:
                word = f"fixed {self.update(release, 2)}"
            else:
                word = "open"
            words_by_suite[name] = f"{word}, has {self.update(release, 3)}"
        return words_by_suite

    def of_unstable(self) -> Iterator[Truth]:
        """Packages of unstable and testing on each older release."""
        for release, number in product(RELEASES, range(12)):
            if number > came_with(release):
                truth = {flaw.cve for flaw in flaws() if number < flaw.fixed}
                yield on_debian(release, self.version(number), truth)

    def of_releases(self) -> Iterator[Truth]:
        """Packages of each release on each release."""
        for release, other, step in product(RELEASES, RELEASES, range(4)):
            truth = {flaw.cve for flaw in flaws() if flaw.is_in(other, step)}
            yield on_debian(release, self.update(other, step), truth)

    def of_backports(self) -> Iterator[Truth]:
        """Backports of the next release, on the release that they are built for and on the next
        one."""
        for release, step, upgraded, rebuilt in product((11, 12), range(4), (0, 1), (1, 2)):
            version = f"{self.update(release + 1, step)}~bpo{release}+{rebuilt}"
            truth = {flaw.cve for flaw in flaws() if flaw.is_in(release + 1, step)}
            yield on_debian(release + upgraded, version, truth)


def on_debian(release: int, version: str, truth: set[str]) -> Truth:
    description = {"os": f"debian {release}", "packages": [f"libnetlib4 {version} amd64 netlib"]}
    return description, truth


@pytest.mark.parametrize("form", FORMS)
def test_every_build_of_debian(form: str, tmp_path: Path) -> None:
    debian = Debian(form)
    truths = [*debian.of_unstable(), *debian.of_releases(), *debian.of_backports()]
    assert differences(read({"tracker": debian.tracker()}, tmp_path), truths) == []


KERNELS = [
    f"6.1.{patch}-{revision}{tail}"
    for patch, revision in product((99, 147), (1, 2, 10))
    for tail in ("", "+deb12u1", "+deb12u2", "~deb12u1")
]


def kernel(version: str, source: str) -> HostFacts:
    """Return a host of Debian 12 whose kernel's source writes its version in a form of its own."""
    own = version if source == "linux" else "+".join(version.rsplit("-", 1))
    package = f"linux-image-6.1.0-38-amd64 {version} amd64 {source} {own}"
    return host_of({"os": "debian 12", "running": "6.1.0-38-amd64", "packages": [package]})


def test_a_signed_kernel_has_what_its_source_has(tmp_path: Path) -> None:
    """Of every form of version, by every form of fix."""
    entries = {
        f"CVE-2025-{50000 + number}": {"bookworm": f"fixed {version}"}
        for number, version in enumerate(KERNELS)
    }
    world = read({"tracker": {"linux": entries}}, tmp_path)
    for version in KERNELS:
        plain = set(world.findings(kernel(version, "linux")))
        assert plain == set(world.findings(kernel(version, "linux-signed-amd64"))), version
        assert f"CVE-2025-{50000 + KERNELS.index(version)}" not in plain


# --- Lines of one name that never compare -------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One flavour of a package: its builds, oldest first; the last one may have a fix.

    `packages` are a host's in the form of `assessment_cases`, `listed` are an advisory's, where
    `{}` stands for the version. `running` is the output of `uname -r` for a kernel.
    """

    name: str
    builds: tuple[str, ...]
    packages: tuple[str, ...]
    listed: tuple[str, ...]
    running: str = ""
    repository: str = ""


ORACLE = (
    Line(
        "RHCK",
        ("4.18.0-553.16.1.el8_10", "4.18.0-553.22.1.el8_10"),
        ("kernel-core {} x86_64 kernel", "bpftool {} x86_64 kernel"),
        ("kernel-core {} x86_64", "kernel {} x86_64", "bpftool {} x86_64"),
        "{}.x86_64",
    ),
    Line(
        "UEK6",
        ("5.4.17-2136.330.7.1.el8uek", "5.4.17-2136.336.5.el8uek"),
        ("kernel-uek {} x86_64",),
        ("kernel-uek {} x86_64",),
        "{}.x86_64",
    ),
    Line(
        "UEK7",
        ("5.15.0-204.147.6.2.el8uek", "5.15.0-302.167.6.el8uek"),
        ("kernel-uek-core {} x86_64 kernel-uek", "bpftool {} x86_64 kernel-uek"),
        ("kernel-uek-core {} x86_64", "kernel-uek {} x86_64", "bpftool {} x86_64"),
        "{}.x86_64",
    ),
    Line(
        "plain",
        ("2.28-127.0.3.el8", "2.28-151.0.1.el8"),
        ("clib {} x86_64",),
        ("clib {} x86_64",),
    ),
    Line(
        "ksplice",
        ("2:2.28-127.0.3.ksplice1.el8", "2:2.28-151.0.1.ksplice1.el8"),
        ("clib {} x86_64",),
        ("clib {} x86_64",),
    ),
    Line(
        "FIPS",
        ("10:2.28-101.0.1.el8_fips", "10:2.28-127.0.1.el8_fips"),
        ("clib {} x86_64",),
        ("clib {} x86_64",),
    ),
)
AMAZON = tuple(
    Line(
        name,
        builds,
        ("kernel {} x86_64", "kernel-headers {} x86_64 kernel"),
        ("kernel {} x86_64", "kernel-headers {} x86_64"),
        "{}.x86_64",
        f"amzn2extra-{name}" if "-" in name else "amzn2-core",
    )
    for name, builds in {
        "core": ("4.14.355-271.569.amzn2", "4.14.355-276.618.amzn2"),
        "kernel-5.4": ("5.4.286-202.380.amzn2", "5.4.290-204.390.amzn2"),
        "kernel-5.10": ("5.10.230-223.885.amzn2", "5.10.234-225.910.amzn2"),
        "kernel-5.15": ("5.15.176-118.178.amzn2", "5.15.178-120.178.amzn2"),
    }.items()
)
UBUNTU = tuple(
    Line(
        source,
        (f"{old}{tail}", f"{new}{tail}"),
        ("linux-image-KERNEL {} amd64 " + source.replace("linux", "linux-signed", 1),),
        (f"{channel} | {source} | {{}}",),
        f"KERNEL-{flavour}",
    )
    for channel, source, flavour, old, new, tail in (
        ("Ubuntu:22.04:LTS", "linux", "generic", "5.15.0-126.136", "5.15.0-130.140", ""),
        ("Ubuntu:22.04:LTS", "linux-aws", "aws", "5.15.0-1070.76", "5.15.0-1076.83", ""),
        ("Ubuntu:22.04:LTS", "linux-azure", "azure", "5.15.0-1075.84", "5.15.0-1078.87", ""),
        ("Ubuntu:22.04:LTS", "linux-gcp", "gcp", "5.15.0-1072.80", "5.15.0-1075.84", ""),
        ("Ubuntu:22.04:LTS", "linux-hwe-6.8", "generic", "6.8.0-49.49", "6.8.0-52.53", "~22.04.1"),
        ("Ubuntu:22.04:LTS", "linux-aws-6.8", "aws", "6.8.0-1019.21", "6.8.0-1021.23", "~22.04.1"),
        (
            "Ubuntu:Pro:FIPS-updates:22.04:LTS",
            *("linux-fips", "fips", "5.15.0-73.80", "5.15.0-130.140", "+fips1"),
        ),
    )
)


def subsets(lines: Sequence[Line]) -> Iterator[tuple[str, frozenset[Line]]]:
    """Return a CVE for each set of lines that fixed it; the other lines never had it."""
    for number, chosen in enumerate(product((True, False), repeat=len(lines))):
        some = frozenset(line for line, has in zip(lines, chosen, strict=True) if has)
        yield f"CVE-2025-{30000 + number}", some


def hosts_of(lines: Sequence[Line], os: str) -> Iterator[Truth]:
    for line in lines:
        for build in line.builds:
            kernel = build.split("~")[0].split("+")[0].rpartition(".")[0]
            description = {
                "os": os,
                "packages": [
                    template.replace("KERNEL", line.running.replace("KERNEL", kernel)).format(build)
                    for template in line.packages
                ],
                "running": line.running.replace("KERNEL", kernel).format(build),
                "repositories": [line.repository] if line.repository else [],
            }
            behind = build != line.builds[-1]
            yield description, {cve for cve, some in subsets(lines) if behind and line in some}


def updates(lines: Sequence[Line], release: str) -> list[dict[str, object]]:
    """Return an update for each line of each CVE."""
    return [
        {
            "id": f"FIX-{cve}-{line.name}",
            "title": "Unbreakable Enterprise kernel update" if "UEK" in line.name else "",
            "release": release,
            "collection": line.repository.replace("amzn2extra", "amazon-linux-2--"),
            "cves": [cve],
            "packages": [template.format(line.builds[-1]) for template in line.listed],
        }
        for cve, some in subsets(lines)
        for line in lines
        if line in some
    ]


@pytest.mark.parametrize(
    ("lines", "os", "release"),
    [(ORACLE, "ol 8.10", "Oracle Linux 8"), (AMAZON, "amzn 2", "Amazon Linux 2")],
)
def test_every_line_by_its_own_update(
    lines: Sequence[Line], os: str, release: str, tmp_path: Path
) -> None:
    world = read({"updateinfo": updates(lines, release)}, tmp_path)
    assert differences(world, list(hosts_of(lines, os))) == []


def test_every_flavour_of_ubuntus_kernel(tmp_path: Path) -> None:
    entries = [
        {
            "id": f"UBUNTU-{cve}",
            "affected": [line.listed[0].format(line.builds[-1]) for line in UBUNTU if line in some],
        }
        for cve, some in subsets(UBUNTU)
        if some
    ]
    world = read({"osv": entries}, tmp_path)
    assert differences(world, list(hosts_of(UBUNTU, "ubuntu 22.04 jammy"))) == []


# --- Ubuntu Pro: builds for everybody, and the subscription's beside them ------------------------

PLAIN = ("1.6-2ubuntu3", "1.6-2ubuntu3.1", "1.6-2ubuntu3.2")
PRO = ("1.6-2ubuntu3+esm1", "1.6-2ubuntu3.1+esm1", "1.6-2ubuntu3.1+esm2", "1.6-2ubuntu3.2+esm1")


def pro_entries() -> Iterator[tuple[str, str, list[str]]]:
    """Return a CVE that only Pro fixed, in each of its builds: (cve, fix, what the entry says)."""
    for number, (fixed, stated) in enumerate(product(PRO, (True, False))):
        plain = ["Ubuntu:22.04:LTS | jsonq |"] if stated else []
        entry = [*plain, f"Ubuntu:Pro:22.04:LTS | jsonq | {fixed}"]
        yield f"CVE-2025-{40000 + number}", fixed, entry


def test_every_build_of_pro(tmp_path: Path) -> None:
    entries = [{"id": f"UBUNTU-{cve}", "affected": affected} for cve, _, affected in pro_entries()]
    truths: list[Truth] = []
    for version in PRO:
        older = {cve for cve, fixed, _ in pro_entries() if PRO.index(version) < PRO.index(fixed)}
        description = {"os": "ubuntu 22.04 jammy", "packages": [f"jsonq {version} amd64"]}
        truths.append((description, older))
    assert differences(read({"osv": entries}, tmp_path), truths) == []
