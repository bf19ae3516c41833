"""Which ecosystem a host belongs to, and which channels of it the host may draw from.

From os-release(5) and the repositories' Label and Codename; never from Suite, which changes when a
release becomes oldstable.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ..models.facts import HostFacts, OsRelease, Package, Repository
from ..models.versions import VersionScheme


@dataclass(frozen=True)
class Platform:
    """`ecosystem` as in `models.advisory.Affected`, empty where the system is not known.

    `channels` are those besides the plain one. `product` and `cycle` are endoflife.date's.
    """

    ecosystem: str
    scheme: VersionScheme | None
    channels: frozenset[str] = frozenset()
    product: str = ""
    cycle: str = ""

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
_CHANNEL_OF_REPOSITORY = re.compile(r"\b(eus|aus|tus|e4s|els)\b")
_MINOR_OF_REPOSITORY = re.compile(r"\b([0-9]+\.[0-9]+)\b")


def platform_of(facts: HostFacts) -> Platform:
    """The host's platform by what it says of itself."""
    plain = _plain(facts.os)
    if plain.scheme is None:
        return plain
    channels = _channels(plain, facts.repositories, facts.packages, facts.os)
    return Platform(plain.ecosystem, plain.scheme, channels, plain.product, plain.cycle)


def _plain(os: OsRelease) -> Platform:
    ident, version = os.id.lower(), os.version_id
    if ident in ("debian", "raspbian") and not version:
        version = DEBIAN_RELEASES.get(os.codename, "sid" if os.codename else "")
        if version:
            return Platform(f"Debian:{version}", _DEB, product="debian", cycle=version)
    if ident in _BY_MAJOR and (major := _MAJOR.match(version)):
        name, product, scheme = _BY_MAJOR[ident]
        return Platform(f"{name}:{major[0]}", scheme, product=product, cycle=major[0])
    if ident == "ubuntu" and (number := re.fullmatch(r"[0-9]{2}\.[0-9]{2}", version)):
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
        found += sorted(
            name
            for name in available
            if name != own and name.startswith("SUSE:Linux Enterprise") and name.endswith(tail)
        )
    elif own.startswith(("AlmaLinux:", "Rocky Linux:", "Red Hat:", "Oracle Linux:", "CentOS:")):
        found += [name for name in (f"EPEL:{release}",) if name in available]
    return tuple(found)
