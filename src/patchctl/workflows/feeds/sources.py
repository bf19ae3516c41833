"""List the public addresses of vulnerability data, and choose those that a fleet needs."""

from collections.abc import Collection
from urllib.parse import quote

from ...models.advisory import FeedKind
from ...models.base import Record
from ...models.settings import FeedSettings

# OSV's export: a folder for each family of ecosystems, with all.zip, modified_id.csv and a file
# for each record. https://google.github.io/osv.dev/data/#data-dumps
_OSV = "https://osv-vulnerabilities.storage.googleapis.com"

# name -> (kind, public address, path below a mirror)
_SINGLE = {
    # https://www.cisa.gov/known-exploited-vulnerabilities-catalog
    "kev": (
        FeedKind.KEV,
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        "known_exploited_vulnerabilities.json",
    ),
    # https://www.first.org/epss/data_stats
    "epss": (
        FeedKind.EPSS,
        "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        "epss_scores-current.csv.gz",
    ),
    # https://endoflife.date/docs/api/v1/
    "eol": (FeedKind.EOL, "https://endoflife.date/api/v1/products/full", "eol.json"),
    # https://wiki.debian.org/DebianSecurityTracker
    "debian-tracker": (
        FeedKind.DEBIAN_TRACKER,
        "https://security-tracker.debian.org/tracker/data/json",
        "debian-tracker.json",
    ),
    # CISA's records with SSVC are a git repository of a gigabyte and no file, so there is no public
    # address: put an archive of https://github.com/cisagov/vulnrichment on a mirror, or import it.
    "cve": (FeedKind.CVE, "", "cve-records.zip"),
}

# Debian's OSV records are made from the tracker and lack its no-dsa and undetermined marks.
_TRACKER = "Debian"
# Family of canonical ecosystems -> OSV's folder.
_FAMILIES = {
    "AlmaLinux": "AlmaLinux",
    "Alpine": "Alpine",
    "Red Hat": "Red Hat",
    "Rocky Linux": "Rocky Linux",
    "SUSE": "SUSE",
    "Ubuntu": "Ubuntu",
    "openSUSE": "openSUSE",
}
# Other families that hosts can be of; their advisories come with their repositories.
_BY_REPOSITORY = {"Amazon Linux", "CentOS", "EPEL", "Fedora", "Oracle Linux"}


class Source(Record):
    """A feed to fetch. `kind` None: any kind. `folder`: an OSV folder, whose records can be fetched
    one by one; `address` is then its all.zip. `public`: the address is the publisher's own."""

    name: str
    address: str
    kind: FeedKind | None = None
    folder: str = ""
    public: bool = False


class Sources(Record):
    """The sources for a fleet. `uncovered`: its ecosystems that no source covers."""

    sources: tuple[Source, ...]
    uncovered: tuple[str, ...] = ()


def family(ecosystem: str) -> str:
    """The family of an ecosystem: `AlmaLinux` of `AlmaLinux:8`."""
    return ecosystem.partition(":")[0]


def assessed(ecosystem: str) -> bool:
    """Whether this is a release of a distribution that hosts can have."""
    name, _, release = ecosystem.partition(":")
    return bool(release) and name in {_TRACKER, *_FAMILIES, *_BY_REPOSITORY}


def plan(settings: FeedSettings, ecosystems: Collection[str]) -> Sources:
    """The sources that hosts of these ecosystems need, by name.

    A source with an address in the settings is always fetched, unless it is disabled there; a known
    one without only where it is needed.
    """
    configured = {source.name: source for source in settings.sources}
    all_ecosystems = {*ecosystems, *settings.ecosystems}
    families = {family(ecosystem) for ecosystem in all_ecosystems}
    needed = ["kev", "epss", "eol"]
    if _TRACKER in families:
        needed.append("debian-tracker")
    if settings.mirror and "cve" in configured:
        needed.append("cve")
    sources = [
        _single(name, settings, configured[name].address if name in configured else "")
        for name in needed
    ]
    sources += [
        _osv(
            _FAMILIES[family_name],
            settings,
            configured[osv_name(family_name)].address
            if osv_name(family_name) in configured
            else "",
        )
        for family_name in sorted(families & _FAMILIES.keys())
    ]
    names = {source.name for source in sources}
    for source in settings.sources:
        if source.address and source.name not in names:
            sources.append(_own(source.name, source.address, settings))
    enabled = [
        source
        for source in sources
        if source.name not in configured or configured[source.name].enabled
    ]
    covered = {_TRACKER, *_FAMILIES}
    return Sources(
        sources=tuple(sorted(enabled, key=lambda source: source.name)),
        uncovered=tuple(
            sorted(ecosystem for ecosystem in all_ecosystems if family(ecosystem) not in covered)
        ),
    )


def osv_name(family_name: str) -> str:
    """The name of a family's source: `osv-rocky-linux` for `Rocky Linux`."""
    return f"osv-{family_name.lower().replace(' ', '-')}"


def _single(name: str, settings: FeedSettings, address: str) -> Source:
    kind, public, path = _SINGLE[name]
    if not address and settings.mirror:
        address = f"{settings.mirror.rstrip('/')}/{path}"
    return Source(name=name, address=address or public, kind=kind, public=not address)


def _osv(folder: str, settings: FeedSettings, address: str) -> Source:
    name = osv_name(folder)
    if address:
        # The operator's own file, or a folder like OSV's.
        if not address.endswith("/all.zip"):
            return Source(name=name, address=address, kind=FeedKind.OSV)
        return Source(
            name=name, address=address, kind=FeedKind.OSV, folder=address.removesuffix("/all.zip")
        )
    base = f"{settings.mirror.rstrip('/')}/osv" if settings.mirror else _OSV
    folder_address = f"{base}/{quote(folder)}"
    return Source(
        name=name,
        address=f"{folder_address}/all.zip",
        kind=FeedKind.OSV,
        folder=folder_address,
        public=not settings.mirror,
    )


def _own(name: str, address: str, settings: FeedSettings) -> Source:
    """A source that the settings add: one of their own, or a known one that no host needs."""
    if name in _SINGLE:
        return _single(name, settings, address)
    for family_name, folder in _FAMILIES.items():
        if osv_name(family_name) == name:
            return _osv(folder, settings, address)
    return Source(name=name, address=address)
