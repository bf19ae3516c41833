"""Read from a version how it was built: its flavour, and the branch of a release that it is for.

Builds of two flavours share a name, but their versions cannot be compared. Builds of two branches
of one release can, but an older build may have a fix that another branch got in a later version.
"""

import re

from ...models.versions import VersionScheme

MODULE_TAG = re.compile(r"\.module[_+]")
_MODULE_BUILD = re.compile(r"\.module[_+][A-Za-z]+[0-9][0-9.]*\+[0-9]+\+[0-9a-f]{6,}")
_MODULE_MINOR = re.compile(r"\.module[_+]el[0-9]+\.([0-9]+)\.")
_MODULE_PLATFORM = re.compile(r"\.module[_+]([A-Za-z]+[0-9][0-9.]*)\+")

# Oracle's builds for Ksplice (glibc 2:2.28-151.0.1.ksplice1.el8) and for FIPS 140 (gnutls
# 10:3.6.16-4.0.1.el8_fips) have epochs of their own, SUSE's for Teradata numbers of their own.
# Real-time kernels need no flavour: they have names of their own, and 5.14.0-362.8.1.el9_3 follows
# kernel-rt 5.14.0-284.30.1.rt14.315.el9_2.
_RPM_FLAVOURS = (
    ("ksplice", re.compile(r"\.ksplice[0-9]*(?:\.|$)")),
    ("fips", re.compile(r"[._]fips(?:[._]|$)")),
    ("teradata", re.compile(r"\.TDC(?:\.|$)")),
)
_ANY_FLAVOUR = re.compile(r"fips|uek|ksplice|TDC", re.I)
_UEK = re.compile(r"\.el[0-9]+uek(?:[._]|$)")
# Ubuntu's certified builds: openssl 3.0.2-0ubuntu1.10+Fips1, libgcrypt20 1.8.5-5ubuntu1.fips.1.5,
# linux-fips 5.15.0-73.80+fips1.
_DEB_FIPS = re.compile(r"[.+~]fips", re.I)
_ESM = re.compile(r"[~+]esm[0-9]")
_MINOR = re.compile(r"\.el[0-9]+_([0-9]+)")
# RXSA-2023:0101 has `.el8_7.cloud`, of Rocky's cloud group; ALSA-2021:4130 `.alma.plus`.
_REBUILT_FOR = (".cloud", ".plus")
_NUMBERS = re.compile(r"[0-9]+")


def flavour(version: str, scheme: VersionScheme) -> str:
    """The flavour of a build, empty for the plain one. Oracle's Unbreakable Enterprise Kernels are
    a flavour for each upstream release: `uek 5.4`, `uek 5.15`."""
    if not _ANY_FLAVOUR.search(version):
        return ""  # the common case, kept fast: a feed has a hundred thousand versions
    if scheme is VersionScheme.DEB:
        return "fips" if _DEB_FIPS.search(version) else ""
    if scheme is VersionScheme.RPM:
        if _UEK.search(version):
            return f"uek {'.'.join(bare(version).split('.')[:2])}"
        return next((name for name, pattern in _RPM_FLAVOURS if pattern.search(version)), "")
    return ""


def minor(version: str) -> str:
    """The minor release in a dist tag: `4` of `.el8_4`, empty for a plain `.el8`."""
    tag = _MINOR.search(version)
    return tag[1] if tag else ""


def branch(version: str, scheme: VersionScheme) -> str:
    """The branch that a build was made for: the minor release of Red Hat and its rebuilds, `esm`
    or `fips` of Ubuntu Pro; empty for what every user of the release gets."""
    if scheme is VersionScheme.RPM:
        made_for = _MODULE_MINOR.search(version)
        return made_for[1] if made_for else minor(version)
    if scheme is VersionScheme.DEB and _ESM.search(version):
        return "esm"
    return flavour(version, scheme)


def is_modular(version: str) -> bool:
    """Whether the version has the tag of a module build."""
    return MODULE_TAG.search(version) is not None


def base(version: str) -> str:
    """The version without the module build's tag. Builds of one source for several minor releases
    differ only in the tag, so versions of one stream compare by the text around it: a counter may
    follow the tag (`1.26.3-2.module_el9.7.0+223+9cd7031b.1` is the next build after `1.26.3-2`)."""
    return MODULE_TAG.split(_MODULE_BUILD.sub("", version), maxsplit=1)[0]


def head(version: str) -> str:
    """The part of a version before the module build's tag."""
    return MODULE_TAG.split(version, maxsplit=1)[0]


def platform(version: str) -> str:
    """A module build's platform, `el8.10.0` of `.module_el8.10.0+3935+28808425`; else empty."""
    tag = _MODULE_PLATFORM.search(version)
    return tag[1] if tag else ""


def build_of(version: str) -> str:
    """The module build's tag, empty where there is none."""
    tag = _MODULE_BUILD.search(version)
    return tag[0] if tag else ""


def stem(binary: str) -> str:
    """A binary's name with `#` for its numbers: with a fix libdns1100 becomes libdns1104, and the
    name of a kernel's image contains the version."""
    return _NUMBERS.sub("#", binary)


def comparable(version: str, *, modular: bool) -> str:
    """The version to compare two builds of one source by: without the module build's tag, and
    without the suffix of a rebuild for another repository, which sorts above the plain build of the
    same fix."""
    shown = base(version) if modular else version
    for word in _REBUILT_FOR:
        shown = shown.removesuffix(word)
    return shown


def bare(version: str) -> str:
    """A version without its epoch."""
    return version.partition(":")[2] or version


def upstream(version: str) -> str:
    """The upstream part of a full version: `5.2.15` of `1:5.2.15-2+b2`."""
    return bare(version).rpartition("-")[0] or bare(version)


def shared_parts(left: str, right: str) -> int:
    """How many leading dotted parts two versions share."""
    count = 0
    for own, other in zip(left.split("."), right.split("."), strict=False):
        if own != other:
            break
        count += 1
    return count
