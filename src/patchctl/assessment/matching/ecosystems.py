"""Translate the feeds' names of releases to one canonical name for each.

The names and channels are those of `models.advisory.Affected`.
"""

import re

from .platforms import DEBIAN_RELEASES, UBUNTU_RELEASES

# Releases that only old feeds speak of. https://www.debian.org/releases/
_DEBIAN = {
    "hamm": "2.0",
    "slink": "2.1",
    "potato": "2.2",
    "woody": "3.0",
    "sarge": "3.1",
    "etch": "4.0",
    "lenny": "5.0",
    "squeeze": "6.0",
    "wheezy": "7",
    **DEBIAN_RELEASES,
    "unstable": "sid",
}
_SUITE_TAIL = re.compile(r"-(?:security|updates|lts|proposed|backports|elts|proposed-updates)$")

# CPE products of Red Hat that give RHEL itself or an extension of it. EUS and its relatives name a
# minor release. https://access.redhat.com/articles/rhel-eus
_RHEL = {"enterprise_linux", "rhel_extras"}
_RHEL_CHANNELS = {
    "rhel_eus": "eus",
    "rhel_aus": "aus",
    "rhel_mission_critical": "aus",
    "rhel_tus": "tus",
    "rhel_e4s": "e4s",
    "rhel_els": "elts",
    # From 10 on.
    "enterprise_linux_eus": "eus",
    "enterprise_linux_aus": "aus",
    "enterprise_linux_e4s": "e4s",
}
# SUSE sells support beyond a service pack's own: `Linux Enterprise Server 15 SP3-LTSS`,
# `Linux Enterprise Server LTSS Extended Security 12 SP5`.
_SUSE_CHANNEL = re.compile(
    r"(SUSE:Linux Enterprise .+?)-(LTSS-EXTENDED-SECURITY|LTSS|ESPOS|TERADATA|BCL)", re.I
)
_SUSE_TERADATA = re.compile(r"(SUSE:Linux Enterprise .+?) Teradata( .+)", re.I)
_SUSE_EXTENDED = re.compile(r"(SUSE:Linux Enterprise .+?) LTSS Extended Security( .+)", re.I)
# `Ubuntu:Pro:14.04:LTS`, `Ubuntu:Pro:FIPS-updates:22.04:LTS`; without a word it is ESM. The
# real-time kernel's name is `Ubuntu:Pro:22.04:LTS:Realtime:Kernel` too.
_UBUNTU_NAME = re.compile(
    r"Ubuntu(?::Pro(?::([A-Za-z-]+))?)?:([0-9]{2}\.[0-9]{2})(?::LTS)?(?::(Realtime):Kernel)?"
)

# updateinfo's <release> and <collection>, and short names; the number of the release follows the
# name of the distribution.
_IN_WORDS = (
    ("AlmaLinux", re.compile(r"\bAlma ?Linux(?: OS)?[ -]?([0-9]+)", re.I)),
    ("Rocky Linux", re.compile(r"\bRocky ?Linux[ -]?([0-9]+)", re.I)),
    ("Oracle Linux", re.compile(r"\bOracle ?Linux[ -]?([0-9]+)", re.I)),
    ("EPEL", re.compile(r"\bEPEL(?: Next)?[ -]?([0-9]+)", re.I)),
    ("Red Hat", re.compile(r"\b(?:Red ?Hat Enterprise Linux\D{0,40}?|rhel-)([0-9]+)", re.I)),
    ("CentOS", re.compile(r"\bCentOS(?: Linux| Stream)?[ -]?([0-9]+)", re.I)),
    ("Amazon Linux", re.compile(r"\bAmazon[ -]?Linux[ -]?(2023|2022|2|1)\b", re.I)),
    ("Fedora", re.compile(r"\bFedora[ -]?(?:Linux )?([0-9]+)", re.I)),
)
_SUSE = re.compile(
    r"\b(?:SUSE[ -])?Linux Enterprise (?:Server|Desktop)[ -]"
    r"(1[6-9]\.[0-9]+|[0-9]+)(?:[ -]SP([0-9]))?"
)
_SUSE_WORDS = re.compile(r"\bSP[0-9]-(LTSS|ESPOS|TERADATA|BCL)\b", re.I)
_RHEL_COLLECTION = re.compile(r"-(eus|aus|tus|e4s)-rpms__([0-9]+)_(?:DOT_)?([0-9]+)")
_AMAZON_EXTRA = re.compile(r"\bamazon-linux-2---([a-z0-9][a-z0-9._-]*)", re.I)
# ALASKERNEL-5.15-2022-001 and ALAS2CORRETTO8-2023-009 are advisories for extras, ALAS2-2023-1987
# is one for the core.
_AMAZON_ID = re.compile(r"ALAS(?:2023|2)?([A-Z][A-Z0-9._-]*?)-20[0-9]{2}-[0-9]+")
_LEAP = re.compile(r"\bopenSUSE Leap[ -]([0-9]+\.[0-9]+)", re.I)


def of_osv(name: str) -> tuple[str, str]:
    """(ecosystem, channel) for an OSV ecosystem. An unknown one keeps its name."""
    vendor, _, release = name.partition(":")
    if vendor == "Ubuntu" and (match := _UBUNTU_NAME.fullmatch(name)):
        pro = name.startswith("Ubuntu:Pro")
        return f"Ubuntu:{match[2]}", (match[1] or match[3] or "esm").lower() if pro else ""
    if vendor == "Red Hat":
        return _red_hat(release)
    if vendor == "SUSE":
        return _suse(name)
    if vendor == "Debian":
        return f"Debian:{_DEBIAN.get(release, release)}" if release else name, ""
    return name, ""


def _suse(name: str) -> tuple[str, str]:
    if match := _SUSE_CHANNEL.fullmatch(name):
        return match[1], match[2].lower()
    if match := _SUSE_EXTENDED.fullmatch(name):
        return f"{match[1]}{match[2]}", "ltss-extended-security"
    if match := _SUSE_TERADATA.fullmatch(name):
        return f"{match[1]}{match[2]}", "teradata"
    return name, ""


def _red_hat(cpe: str) -> tuple[str, str]:
    """`enterprise_linux:9::baseos` is product, version, update, edition of a CPE 2.2 name."""
    product, _, rest = cpe.partition(":")
    version = rest.split(":")[0]
    major = version.partition(".")[0]
    if not major.isdigit():
        return (f"Red Hat:{product}:{version}" if version else f"Red Hat:{product}"), ""
    if product in _RHEL:
        return f"Red Hat:{major}", ""
    if channel := _RHEL_CHANNELS.get(product):
        # Extended life-cycle support belongs to a major release.
        return f"Red Hat:{major}", channel if channel == "elts" else f"{channel}:{version}"
    return f"Red Hat:{product}:{version}", ""


def of_debian_suite(suite: str) -> str:
    """`bookworm`, `bookworm-security`, `bullseye-lts`, `sid` to `Debian:…`; else empty."""
    number = _DEBIAN.get(_SUITE_TAIL.sub("", suite.lower()), "")
    return f"Debian:{number}" if number else ""


def of_changelog_suite(suite: str) -> str:
    """The ecosystem of a changelog entry's distribution, `Debian:…` or `Ubuntu:…`; else empty."""
    number = UBUNTU_RELEASES.get(_SUITE_TAIL.sub("", suite.lower()), "")
    return f"Ubuntu:{number}" if number else of_debian_suite(suite)


def in_words(text: str) -> str:
    """The ecosystem of a release that a text names in plain words: `Rocky Linux 8`,
    `Fedora EPEL 6`, `openSUSE Leap 15.5`; empty where it names none."""
    if match := _LEAP.search(text):
        return f"openSUSE:Leap {match[1]}"
    if match := _SUSE.search(text):
        pack = f" SP{match[2]}" if match[2] else ""
        return f"SUSE:Linux Enterprise Server {match[1]}{pack}"
    for name, pattern in _IN_WORDS:
        if match := pattern.search(text):
            return f"{name}:{match[1]}"
    return ""


def channel_in_words(text: str) -> str:
    """The channel in the name of a Red Hat collection
    (`rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_6`), an Amazon Linux 2 extra
    (`amazon-linux-2---kernel-5.15`) or a SUSE product (`15 SP3-LTSS`); empty where it names none.
    """
    if extra := _AMAZON_EXTRA.search(text):
        return f"extra:{extra[1].lower()}"
    if pack := _SUSE_WORDS.search(text):
        return pack[1].lower()
    collection = _RHEL_COLLECTION.search(text)
    return f"{collection[1]}:{collection[2]}.{collection[3]}" if collection else ""


def channel_of_id(advisory: str) -> str:
    """The channel in an advisory's id, empty where it names none."""
    extra = _AMAZON_ID.fullmatch(advisory)
    return f"extra:{extra[1].lower()}" if extra else ""
