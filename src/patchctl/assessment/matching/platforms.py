"""Which ecosystem a host belongs to, and which channels of it the host may draw from.

From os-release(5) and the repositories' Label and Codename; never from Suite, which changes when a
release becomes oldstable.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ...models.facts import HostFacts, OsRelease, Package, Repository
from ...models.versions import VersionScheme


@dataclass(frozen=True)
class Platform:
    """`ecosystem` as in `models.advisory.Affected`, empty where the system is not known.

    `channels` are those besides the plain one. `product` and `cycle` are endoflife.date's. `minor`
    is Red Hat's minor release (`9.2`), to which extended updates belong.
    """

    ecosystem: str
    scheme: VersionScheme | None
    channels: frozenset[str] = frozenset()
    product: str = ""
    cycle: str = ""
    minor: str = ""

    @property
    def reaches(self) -> frozenset[str]:
        """Channels, and `minor:9.2` for the minor release."""
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
# What inventories of other tools write for the ID.
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
_RELEASE_IN_NAME = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_CHANNEL_OF_REPOSITORY = re.compile(r"\b(eus|aus|tus|e4s|els)\b")
_MINOR_OF_REPOSITORY = re.compile(r"\b([0-9]+\.[0-9]+)\b")


def platform_of(facts: HostFacts) -> Platform:
    """The host's platform by what it says of itself."""
    plain = _plain(facts.os)
    if plain.scheme is None:
        return plain
    channels = _channels(plain, facts.repositories, facts.packages, facts.os)
    minor = ""
    if plain.ecosystem.startswith("Red Hat:") and "." in facts.os.version_id:
        minor = facts.os.version_id
    return replace(plain, channels=channels, minor=minor)


def ecosystem_of(os: OsRelease) -> str:
    """The ecosystem that `platform_of` says for every host of this release."""
    return _plain(os).ecosystem


def _plain(os: OsRelease) -> Platform:
    ident = _OTHER_IDS.get(os.id.lower(), os.id.lower())
    version, codename = os.version_id.strip(), os.codename.lower()
    if ident in ("debian", "raspbian"):
        return _debian(version, codename, os)
    if not version:
        # Hand-made inventories leave it out; `AlmaLinux 8.10 (Cerulean Leopard)` tells.
        told = _RELEASE_IN_NAME.search(os.pretty_name)
        version = UBUNTU_RELEASES.get(codename, "") if ident == "ubuntu" else ""
        version = version or (told[0] if told else "")
    if ident in _BY_MAJOR and (major := _MAJOR.match(version)):
        name, product, scheme = _BY_MAJOR[ident]
        # Amazon Linux 1 was named by date: 2018.03.
        release = "1" if ident == "amzn" and version.startswith("201") else major[0]
        return Platform(f"{name}:{release}", scheme, product=product, cycle=release)
    if ident == "ubuntu" and (number := re.match(r"[0-9]{2}\.[0-9]{2}(?![0-9])", version)):
        return Platform(f"Ubuntu:{number[0]}", _DEB, product="ubuntu", cycle=number[0])
    if ident == "alpine" and (number := _MAJOR_MINOR.match(version)):
        return Platform(f"Alpine:v{number[0]}", _APK, product="alpine-linux", cycle=number[0])
    if ident in ("sles", "sles_sap", "sled") and (number := _MAJOR_MINOR.match(version)):
        major_part, _, pack = number[0].partition(".")
        words = f"{major_part} SP{pack}" if pack not in ("", "0") else major_part
        return Platform(
            f"SUSE:Linux Enterprise Server {words}", _RPM, product="sles", cycle=number[0]
        )
    if ident in ("opensuse-leap", "opensuse") and (number := _MAJOR_MINOR.match(version)):
        return Platform(f"openSUSE:Leap {number[0]}", _RPM)
    if ident == "opensuse-tumbleweed":
        return Platform("openSUSE:Tumbleweed", _RPM)
    name = ":".join(part for part in (os.id, version) if part)
    return Platform(name, None)


def _debian(version: str, codename: str, os: OsRelease) -> Platform:
    """By number, else by codename: testing and unstable have no VERSION_ID, and a point release's
    number (12.5) is no release of its own. Until squeeze (6.0) a release's number had a point."""
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
    """Subscriptions that the host draws from, by its repositories, else by what is installed."""
    found: set[str] = set()
    if plain.ecosystem.startswith("Ubuntu:"):
        offered = any("esm" in (one.origin + one.label).lower() for one in repositories)
        # Where a package of Ubuntu Pro is installed, the host had the subscription.
        if offered or any("~esm" in one.version or "+esm" in one.version for one in packages):
            found.add("esm")
    if plain.ecosystem.startswith("Red Hat:"):
        for one in repositories:
            name = f"{one.label} {one.uri}".lower()
            kind = _CHANNEL_OF_REPOSITORY.search(name)
            minor = _MINOR_OF_REPOSITORY.search(name)
            number = minor[1] if minor else os.version_id
            if kind:
                found.add("elts" if kind[1] == "els" else f"{kind[1]}:{number}")
    return frozenset(found)


def _is_part_of_suse(name: str, tail: str) -> bool:
    """Products, extensions and modules of one service pack, and Package Hub, SUSE's EPEL. Modules
    of 12 have no service packs: `Linux Enterprise Module for Containers 12`."""
    if name.startswith(("SUSE:Linux Enterprise Module for", "SUSE:Package Hub")):
        return name.endswith((tail, f" {tail.split()[0]}"))
    return name.startswith("SUSE:Linux Enterprise") and name.endswith(tail)


def related(platform: Platform, available: Collection[str]) -> tuple[str, ...]:
    """The ecosystems with feeds that speak of packages of this platform, its own first.

    SUSE's advisories name modules beside the product; EPEL serves every rebuild of RHEL. Backports
    on Debian follow testing, whose fixes stand under sid.
    """
    own = platform.ecosystem
    found = [own] if own in available else []
    release = own.partition(":")[2]
    if own.startswith("SUSE:"):
        tail = release.removeprefix("Linux Enterprise Server")
        found += sorted(name for name in available if name != own and _is_part_of_suse(name, tail))
    elif own.startswith(("AlmaLinux:", "Rocky Linux:", "Red Hat:", "Oracle Linux:", "CentOS:")):
        found += [name for name in (f"EPEL:{release}",) if name in available]
    return tuple(found)
