"""What feeds contain: advisories with the packages they affect, and facts about single CVEs.

Readers normalise every feed to these models; matching knows no feed's format. All text comes from
the network or a file and is hostile until it is shown through `cli.output.clean`.
"""

from enum import StrEnum

from .base import Record


class FeedKind(StrEnum):
    """What a feed holds and in which format it came; recognised by content, not by name."""

    OSV = "osv"
    DEBIAN_TRACKER = "debian-tracker"
    UPDATEINFO = "updateinfo"
    CHANGELOG = "changelog"
    KEV = "kev"
    EPSS = "epss"
    CVE = "cve"
    EOL = "eol"


# Kinds whose records are advisories.
KINDS_OF_ADVISORIES = frozenset(
    {FeedKind.OSV, FeedKind.DEBIAN_TRACKER, FeedKind.UPDATEINFO, FeedKind.CHANGELOG}
)


class NameKind(StrEnum):
    """Whether an advisory names source packages (Debian, Rocky) or binary ones (AlmaLinux)."""

    SOURCE = "source"
    BINARY = "binary"


class AdvisoryKind(StrEnum):
    """The types of `updateinfo`. An advisory without CVEs is not always a `bugfix`, and a `bugfix`
    may have CVEs."""

    SECURITY = "security"
    BUGFIX = "bugfix"
    ENHANCEMENT = "enhancement"
    UNKNOWN = "unknown"


class VendorStatus(StrEnum):
    """The status that the vendor gives a package in a release.

    `affected` with a `fixed` version is fixed in it; without one no fix has been published yet.
    """

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    UNDETERMINED = "undetermined"
    # The vendor fixes it in a point release or at an unknown time (no-dsa, postponed, deferred).
    DEFERRED = "deferred"
    # The vendor decided against a fix (ignored, "will not fix").
    WONT_FIX = "wont_fix"
    # The release, or the package in it, is not supported any more.
    END_OF_LIFE = "end_of_life"


class Severity(StrEnum):
    """A vendor's own severity. `important` is Red Hat's word for high, `moderate` for medium;
    `negligible` covers Ubuntu's negligible and Debian's unimportant."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    MODERATE = "moderate"
    LOW = "low"
    NEGLIGIBLE = "negligible"
    UNKNOWN = ""


class Affected(Record):
    """One package in one release to which an advisory applies.

    `ecosystem` is canonical: `Debian:12`, `Ubuntu:22.04`, `AlmaLinux:8`, `Rocky Linux:9`,
    `Red Hat:9`, `Oracle Linux:8`, `CentOS:7`, `SUSE:Linux Enterprise Server 15 SP3`,
    `openSUSE:Leap 15.5`, `Alpine:v3.18`, `Amazon Linux:2`, `Fedora:43`, `EPEL:9`.
    `channel` is empty for what every user of the release gets, else the subscription that
    delivers the fix: `esm`, `esm-infra`, `esm-apps`, `fips`, `fips-updates`, `realtime` (Ubuntu
    Pro), `eus:9.2`, `aus:8.2`, `tus:8.4`, `e4s:9.0`, `elts` (Red Hat), `ltss`, `espos` (SUSE); or
    `extra:NAME`, one of Amazon Linux's extras. For Red Hat's repositories of a plain release it
    stays empty.
    The range is [introduced, fixed): an empty `introduced` means from the beginning, an empty
    `fixed` not fixed; `last_affected` is inclusive and only set where there is no `fixed`.
    `versions` are exactly affected versions: with them there is no range, and `fixed` is the
    version to install instead. `module` is `NAME:STREAM` where the feed states it, `modular` where
    only the release field (`.module_el`) shows it; `source` is the source package of a binary where
    the feed states it. `binaries` limits a source name to these binary packages where the feed
    states them. `in_release` are the versions of the package that the release has, the newest last,
    where the feed states them.
    """

    ecosystem: str
    name: str
    kind: NameKind
    channel: str = ""
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    versions: tuple[str, ...] = ()
    arch: str = ""
    module: str = ""
    source: str = ""
    binaries: tuple[str, ...] = ()
    in_release: tuple[str, ...] = ()
    status: VendorStatus = VendorStatus.AFFECTED
    severity: Severity = Severity.UNKNOWN
    note: str = ""


class Advisory(Record):
    """One advisory, or one vendor's entry for one CVE. Times are epoch seconds UTC, 0 unknown.

    `cves` are plain CVE ids, from aliases, upstream, related, references, text or id. `cvss` are
    vectors as the vendor gives them. A withdrawn advisory is not matched, but stored for `explain`.
    `live_patch` advisories fix running kernels, not packages.
    """

    id: str
    kind: AdvisoryKind
    title: str = ""
    severity: Severity = Severity.UNKNOWN
    cves: tuple[str, ...] = ()
    cvss: tuple[str, ...] = ()
    published: int = 0
    modified: int = 0
    withdrawn: int = 0
    live_patch: bool = False
    reboot_suggested: bool = False
    affected: tuple[Affected, ...] = ()


class KnownExploited(Record):
    """An entry of CISA's catalogue of known exploited vulnerabilities. Dates are ISO dates."""

    cve: str
    added: str
    due: str = ""
    ransomware: bool = False
    name: str = ""


class ExploitChance(Record):
    """EPSS: probability of exploitation within 30 days and its percentile, both 0 to 1."""

    cve: str
    score: float
    percentile: float


class CvssVector(Record):
    """A CVSS vector with its base score. `source` is `vendor`, `cna`, `adp` or `nvd`."""

    version: str
    vector: str
    score: float
    source: str


class CveFacts(Record):
    """The content of a CVE record. SSVC decision points are lower case, empty where unknown:
    exploitation none|poc|active, automatable yes|no, technical_impact partial|total. `modified` is
    the record's own date, epoch seconds UTC, 0 unknown."""

    cve: str
    rejected: bool = False
    published: int = 0
    title: str = ""
    cvss: tuple[CvssVector, ...] = ()
    exploitation: str = ""
    automatable: str = ""
    technical_impact: str = ""
    modified: int = 0


class Lifecycle(Record):
    """A release's dates, ISO, empty where none is stated. `extended_end` needs a contract (ESM,
    ELS) or is community long-term support (Debian LTS), as `extended_name` says.
    `product` and `cycle` are endoflife.date's: `debian` `12`, `almalinux` `8`."""

    product: str
    cycle: str
    release: str = ""
    end: str = ""
    extended_end: str = ""
    extended_name: str = ""
    latest: str = ""


class BadRecord(Record):
    """A record that could not be used: its position and the reason. It is counted and reported; the
    other records of its feed are used."""

    place: str
    reason: str


# A reader yields these one by one, so that a feed is never in memory as a whole.
FeedRecord = Advisory | KnownExploited | ExploitChance | CveFacts | Lifecycle | BadRecord
