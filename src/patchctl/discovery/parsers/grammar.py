"""Which names, versions and architectures package managers accept.

Only these enter a model: they come back to hosts inside transactions.
"""

import re

# dpkg, lib/dpkg/parsehelp.c: letters, digits and `-+._`, an alphanumeric first.
_DEB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}")
# deb-version(7): [epoch:]upstream[-revision]; characters of each part.
_DEB_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[A-Za-z0-9][A-Za-z0-9.+~:-]{0,199}")
_DEB_ARCH = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# rpm, build/parsePreamble.c (ALLOWED_CHARS_NAME and _VERREL, macros expanded).
_RPM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}")
_RPM_VERREL = re.compile(r"[A-Za-z0-9_.+~^]{1,100}")
_RPM_EVR = re.compile(r"(?:[0-9]{1,9}:)?[A-Za-z0-9_.+~^]{1,100}-[A-Za-z0-9_.+~^]{1,100}")
_RPM_ARCH = re.compile(r"[A-Za-z0-9_]{1,40}")
_RPM_MODULE = re.compile(r"[A-Za-z0-9._+-]+(?::[A-Za-z0-9._+-]*){1,4}")
# apk, src/package.c (apk_pkg_parse_name) and src/version.c.
_APK_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,199}")
_APK_VERSION = re.compile(r"[0-9][A-Za-z0-9._~-]{0,199}")
_PLAIN = re.compile(r"[!-~]{1,200}")


def is_deb(name: str, version: str, arch: str) -> bool:
    """Can dpkg have installed this?"""
    return bool(
        _DEB_NAME.fullmatch(name) and _DEB_VERSION.fullmatch(version) and _DEB_ARCH.fullmatch(arch)
    )


def is_deb_version(version: str) -> bool:
    """Is it a version to dpkg?"""
    return _DEB_VERSION.fullmatch(version) is not None


def is_deb_name(name: str) -> bool:
    """Is it a package's name to dpkg?"""
    return _DEB_NAME.fullmatch(name) is not None


def is_rpm_name(name: str, arch: str) -> bool:
    """Are these a name and an architecture to rpm?"""
    return bool(_RPM_NAME.fullmatch(name) and _RPM_ARCH.fullmatch(arch))


def is_rpm_part(text: str) -> bool:
    """Is it a version or a release to rpm?"""
    return _RPM_VERREL.fullmatch(text) is not None


def is_rpm_version(text: str) -> bool:
    """Is it `[epoch:]version-release`?"""
    return _RPM_EVR.fullmatch(text) is not None


def is_rpm_module(text: str) -> bool:
    """Is it a modularity label, `name:stream:version:context`?"""
    return _RPM_MODULE.fullmatch(text) is not None


def is_apk(name: str, version: str, arch: str) -> bool:
    """Can apk have installed this?"""
    return bool(
        _APK_NAME.fullmatch(name) and _APK_VERSION.fullmatch(version) and _RPM_ARCH.fullmatch(arch)
    )


def is_plain(text: str) -> bool:
    """Is it printable ASCII without blanks, as every package manager's names and versions are?"""
    return _PLAIN.fullmatch(text) is not None
