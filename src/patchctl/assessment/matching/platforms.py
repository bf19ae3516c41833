"""Find the ecosystem that a host belongs to, and the channels that it gets updates from.

They follow from os-release(5) and the repositories' Label and Codename; never from Suite, which
changes when a release becomes oldstable.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ...models.facts import HostFacts, OsRelease, Package, Repository
from ...models.versions import VersionScheme


@dataclass(frozen=True)
class Platform:
    """A release of an operating system with the channels of a host. `ecosystem` as in
    `models.advisory.Affected`, empty where the system is not known.

    `channels` are those besides the plain one. `product` and `cycle` are endoflife.date's. `minor`
    is Red Hat's minor release (`9.2`), which extended updates are for. `unreleased` is true for a
    release before it comes out and for a rolling one, which may have no feed of their own.
    """

    ecosystem: str
    scheme: VersionScheme | None
    channels: frozenset[str] = frozenset()
    product: str = ""
    cycle: str = ""
    minor: str = ""
    unreleased: bool = False

    @property
    def reaches(self) -> frozenset[str]:
        """The channels, and `minor:9.2` for the minor release."""
        return self.channels | {f"minor:{self.minor}"} if self.minor else self.channels

    @property
    def label(self) -> str:
        """The name to show."""
        return self.ecosystem or "unknown system"


_DEB, _RPM, _APK = VersionScheme.DEB, VersionScheme.RPM, VersionScheme.APK
_MAJOR = re.compile(r"[0-9]+")
_MAJOR_MINOR = re.compile(r"[0-9]+(?:\.[0-9]+)?")

# Debian's own codenames: os-release of testing and unstable has no VERSION_ID.
# https://www.debian.org/releases/
DEBIAN_RELEASES = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
    "sid": "sid",
}

# https://wiki.ubuntu.com/Releases
UBUNTU_RELEASES = {
    "lucid": "10.04",
    "precise": "12.04",
    "quantal": "12.10",
    "raring": "13.04",
    "saucy": "13.10",
    "trusty": "14.04",
    "utopic": "14.10",
    "vivid": "15.04",
    "wily": "15.10",
    "xenial": "16.04",
    "yakkety": "16.10",
    "zesty": "17.04",
    "artful": "17.10",
    "bionic": "18.04",
    "cosmic": "18.10",
    "disco": "19.04",
    "eoan": "19.10",
    "focal": "20.04",
    "groovy": "20.10",
    "hirsute": "21.04",
    "impish": "21.10",
    "jammy": "22.04",
    "kinetic": "22.10",
    "lunar": "23.04",
    "mantic": "23.10",
    "noble": "24.04",
    "oracular": "24.10",
    "plucky": "25.04",
    "questing": "25.10",
    "resolute": "26.04",
}

# os-release ID -> (ecosystem, endoflife.date's product), for releases named by their major number.
_BY_MAJOR = {
    "debian": ("Debian", "debian", _DEB),
    "raspbian": ("Debian", "debian", _DEB),
    "almalinux": ("AlmaLinux", "almalinux", _RPM),
    "rocky": ("Rocky Linux", "rocky-linux", _RPM),
    "rhel": ("Red Hat", "rhel", _RPM),
    "ol": ("Oracle Linux", "oracle-linux", _RPM),
    "centos": ("CentOS", "centos", _RPM),
    "fedora": ("Fedora", "fedora", _RPM),
    "amzn": ("Amazon Linux", "amazon-linux", _RPM),
}
# What inventories of other tools write instead of the ID.
_OTHER_IDS = {
    "alma": "almalinux",
    "rockylinux": "rocky",
    "redhat": "rhel",
    "oracle": "ol",
    "oraclelinux": "ol",
    "amazon": "amzn",
    "amazonlinux": "amzn",
    "suse": "sles",
}
# Words in ID_LIKE of other rebuilds, which their own repositories' advisories are for.
_RPM_FAMILY = frozenset({"rhel", "centos", "fedora"})
_RELEASE_IN_NAME = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_CHANNEL_OF_REPOSITORY = re.compile(r"\b(eus|aus|tus|e4s|els)\b")
# esm.ubuntu.com's folders and the Release files' Origin.
_UBUNTU_PRO = tuple(
    (channel, re.compile(pattern))
    for channel, pattern in (
        ("esm-infra", r"\bubuntuesm\b|ubuntu\.com/infra\b"),
        ("esm-apps", r"\bubuntuesmapps\b|ubuntu\.com/apps\b"),
        ("fips", r"\bubuntufips\b|ubuntu\.com/fips(?:/|$|\s)"),
        ("fips-updates", r"\bubuntufipsupdates\b|ubuntu\.com/fips-updates\b"),
        ("realtime", r"\bubunturealtime\w*\b|ubuntu\.com/realtime\b"),
    )
)
_AMAZON_EXTRA = re.compile(r"\bamzn2extra-([a-z0-9][a-z0-9._-]*)")
_SUSE_SUPPORT = re.compile(r"\b(ltss-extended-security|ltss|espos|teradata|bcl)\b")
_MINOR_OF_REPOSITORY = re.compile(r"\b([0-9]+\.[0-9]+)\b")


def platform_of(facts: HostFacts) -> Platform:
    """The platform of a host, by its os-release, repositories and packages."""
    plain = _plain(facts.os)
    if plain.scheme is None:
        return plain
    channels = _channels(plain, facts.repositories, facts.packages, facts.os)
    minor = ""
    if plain.ecosystem.startswith("Red Hat:") and "." in facts.os.version_id:
        minor = facts.os.version_id
    return replace(plain, channels=channels, minor=minor)


def ecosystem_of(os: OsRelease) -> str:
    """The ecosystem that `platform_of` gives for every host of this release."""
    return _plain(os).ecosystem


def _plain(os: OsRelease) -> Platform:
    ident = _OTHER_IDS.get(os.id.lower(), os.id.lower())
    version, codename = os.version_id.strip(), os.codename.lower()
    if ident in ("debian", "raspbian"):
        return _debian(version, codename, os)
    if not version:
        # Hand-made inventories leave it out, but have it in `AlmaLinux 8.10 (Cerulean Leopard)`.
        in_name = _RELEASE_IN_NAME.search(os.pretty_name)
        version = UBUNTU_RELEASES.get(codename, "") if ident == "ubuntu" else ""
        version = version or (in_name[0] if in_name else "")
    if ident in _BY_MAJOR and (major := _MAJOR.match(version)):
        name, product, scheme = _BY_MAJOR[ident]
        # Amazon Linux 1 was named by date: 2018.03.
        release = "1" if ident == "amzn" and version.startswith("201") else major[0]
        return Platform(f"{name}:{release}", scheme, product=product, cycle=release)
    if ident == "ubuntu" and (number := re.match(r"[0-9]{2}\.[0-9]{2}(?![0-9])", version)):
        return Platform(f"Ubuntu:{number[0]}", _DEB, product="ubuntu", cycle=number[0])
    if ident == "alpine" and (number := _MAJOR_MINOR.match(version)):
        return _alpine(version, number[0])
    if ident in ("sles", "sles_sap", "sled") and (number := _MAJOR_MINOR.match(version)):
        major_part, _, pack = number[0].partition(".")
        # From 16 on there are no service packs.
        words = f"{major_part} SP{pack}" if pack not in ("", "0") else major_part
        words = number[0] if int(major_part) > 15 else words
        return Platform(
            f"SUSE:Linux Enterprise Server {words}", _RPM, product="sles", cycle=number[0]
        )
    if ident in ("opensuse-leap", "opensuse") and (number := _MAJOR_MINOR.match(version)):
        return Platform(f"openSUSE:Leap {number[0]}", _RPM)
    if ident == "opensuse-tumbleweed":
        return Platform("openSUSE:Tumbleweed", _RPM)
    if _RPM_FAMILY & {ident, *(word.lower() for word in os.id_like)} and (
        major := _MAJOR.match(version)
    ):
        return Platform(f"{os.id}:{major[0]}", _RPM)
    name = ":".join(part for part in (os.id, version) if part)
    return Platform(name, None)


def _alpine(version: str, release: str) -> Platform:
    """Alpine's platform. Edge has the version of the coming release: `3.21.0_alpha20240807`."""
    if "_alpha" in version:
        return Platform("Alpine:edge", _APK, product="alpine-linux", unreleased=True)
    early = "_" in version
    return Platform(
        f"Alpine:v{release}", _APK, product="alpine-linux", cycle=release, unreleased=early
    )


def _debian(version: str, codename: str, os: OsRelease) -> Platform:
    """Debian's platform, by number, else by codename: testing and unstable have no VERSION_ID. A
    point release (12.5) is no release of its own, but until squeeze (6.0) numbers had a point."""
    number = _MAJOR_MINOR.match(version)
    if number is None:
        # `bookworm/sid` is what testing's debian_version says.
        name = codename or version.lower() or os.pretty_name.lower()
        known = next((word for word in re.findall(r"[a-z]+", name) if word in DEBIAN_RELEASES), "")
        release = DEBIAN_RELEASES.get(known, "sid" if codename or version else "")
        if not release:
            return Platform(os.id, None)
    else:
        release = number[0].partition(".")[0]
        if int(release) < 7:
            release = number[0] if "." in number[0] else f"{release}.0"
    return Platform(f"Debian:{release}", _DEB, product="debian", cycle=release)


def _channels(
    plain: Platform,
    repositories: Iterable[Repository],
    packages: Iterable[Package],
    os: OsRelease,
) -> frozenset[str]:
    """The channels of a host, by its repositories, else by its installed packages."""
    vendor = plain.ecosystem.partition(":")[0]
    channels: set[str] = set()
    for repository in repositories:
        words = f"{repository.origin} {repository.label} {repository.uri}".lower()
        if vendor == "Ubuntu":
            channels.update(channel for channel, pattern in _UBUNTU_PRO if pattern.search(words))
        elif vendor == "Amazon Linux":
            extra = _AMAZON_EXTRA.search(words)
            channels.add(f"extra:{extra[1]}" if extra else "core")
        elif vendor == "SUSE" and (support := _SUSE_SUPPORT.search(words)):
            channels.add(support[1])
        elif vendor == "Red Hat" and (kind := _CHANNEL_OF_REPOSITORY.search(words)):
            minor = _MINOR_OF_REPOSITORY.search(words)
            number = minor[1] if minor else os.version_id
            channels.add("elts" if kind[1] == "els" else f"{kind[1]}:{number}")
    if vendor == "Ubuntu":
        archives = {"esm-infra", "esm-apps"}
        # Feeds seldom tell which of the two archives of ESM has a fix.
        if channels & archives:
            channels.add("esm")
        # A host with an installed package of ESM had the subscription.
        elif any("~esm" in package.version or "+esm" in package.version for package in packages):
            channels |= {"esm", *archives}
    return frozenset(channels)


def _is_part_of_suse(name: str, tail: str) -> bool:
    """Whether a name is a product, extension or module of one service pack, or Package Hub, SUSE's
    EPEL. Modules of 12 have no service packs: `Linux Enterprise Module for Containers 12`."""
    if name.startswith(("SUSE:Linux Enterprise Module for", "SUSE:Package Hub")):
        return name.endswith((tail, f" {tail.split()[0]}"))
    return name.startswith("SUSE:Linux Enterprise") and name.endswith(tail)


def related(platform: Platform, available: Collection[str]) -> tuple[str, ...]:
    """The ecosystems whose feeds cover packages of this platform, its own first; `available` are
    those that have feeds.

    SUSE's advisories name modules beside the product; EPEL serves every rebuild of RHEL. While a
    release of Alpine has no feed, that of the newest earlier release is used.
    """
    own = platform.ecosystem
    ecosystems = [own] if own in available else []
    if platform.unreleased and not ecosystems:
        ecosystems = _newest_before(own, available)
    release = own.partition(":")[2]
    if own.startswith("SUSE:"):
        tail = release.removeprefix("Linux Enterprise Server")
        ecosystems += sorted(
            name for name in available if name != own and _is_part_of_suse(name, tail)
        )
    elif own.startswith(("AlmaLinux:", "Rocky Linux:", "Red Hat:", "Oracle Linux:", "CentOS:")):
        ecosystems += [name for name in (f"EPEL:{release}",) if name in available]
    return tuple(ecosystems)


def _newest_before(own: str, available: Collection[str]) -> list[str]:
    """The newest release of Alpine with a feed that is not later than this one."""
    limit = _numbers(own) or (9999,)
    known = [name for name in available if name.startswith("Alpine:v") and _numbers(name) <= limit]
    return [max(known, key=_numbers)] if known else []


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", name)))
