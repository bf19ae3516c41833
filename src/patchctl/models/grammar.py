"""The grammar of words in a plan, and of those that each package manager accepts.

All code that reads, makes or sends a plan uses the words of a plan. Their grammar allows more than
Debian policy 5.6 (third parties use upper case) and is wide enough for rpm, but no such word can be
an option, a path to outside, a glob, a shell word or a template. The second part is what each
package manager accepts: the facts of a host have only such words.
"""

import re
from collections.abc import Mapping

from .policy import ProbeKind

NAME = r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}"
ARCH = r"[a-z0-9][a-z0-9_-]{0,39}"
VERSION = r"[0-9A-Za-z][0-9A-Za-z.+~:^_-]{0,199}"
# Seven digits and more are allowed: https://www.cve.org/About/Process#CVERecordLifecycle
CVE = r"CVE-[0-9]{4}-[0-9]{4,19}"

# Ten years: the longest wait of a policy, and the longest time until a plan expires.
LONGEST_S = 3660 * 86_400
# More hosts, or seconds of work, than any plan has. A larger number is a mistake.
MOST = 1_000_000_000

# Keys are the names in error messages.
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "package": re.compile(NAME),
    # Shell patterns. A host's shell compares them with names, so they have no character that ends a
    # shell word.
    "package pattern": re.compile(r"[A-Za-z0-9*?\[][A-Za-z0-9+._*?\[\]!-]{0,199}"),
    "architecture": re.compile(ARCH),
    "version": re.compile(VERSION),
    "CVE": re.compile(CVE),
    "file": re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~%:^-]{0,299}\.(deb|rpm)"),
    # The name of a repository on a host; a folder there has this name.
    "repository": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    # A content address in the state database; its form may differ between versions of patchctl.
    "address of facts": re.compile(r"sha256:[A-Za-z0-9._-]{1,253}"),
    "digest": re.compile(r"sha256:[0-9a-f]{64}"),
    "run": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    "job": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
    "transaction": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}"),
    "machine-id": re.compile(r"[0-9a-f]{32}"),
    "boot": re.compile(r"[0-9a-f-]{36}"),
    "address": re.compile(r"https?://[^\s\x00-\x20\x7f]{1,1900}"),
    "host:port": re.compile(r"[A-Za-z0-9._:\[\]%-]{1,255}:[0-9]{1,5}"),
    "unit": re.compile(r"[A-Za-z0-9@._:\\][A-Za-z0-9@._:\\-]{0,254}"),
    # A name becomes a key in generated YAML, a part of patterns and a word on the screen; Ansible
    # itself takes any text. Brackets and colons are for IPv6 addresses.
    "host": re.compile(r"(?!.*\.\.)[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]+@-]{0,252}"),
    # Ring names become group names (`ring_NAME`), which Ansible wants as identifiers.
    "ring": re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}"),
}

_TARGETS = {ProbeKind.HTTP: "address", ProbeKind.TCP: "host:port", ProbeKind.UNIT: "unit"}


def fits(kind: str, text: str) -> bool:
    """Return whether the text is a `kind`, one of the keys of PATTERNS."""
    return PATTERNS[kind].fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Return whether the text is a package's name."""
    return fits("package", text)


def is_arch(text: str) -> bool:
    """Return whether the text is an architecture."""
    return fits("architecture", text)


def is_version(text: str) -> bool:
    """Return whether the text is a full version, `[epoch:]upstream[-revision]`."""
    return fits("version", text)


def target_problem(kind: ProbeKind, target: str) -> str:
    """Return why a probe of this kind cannot have this target, "" where it can. A command may be
    any text."""
    expected = _TARGETS.get(kind)
    if expected is None and "\0" in target:
        return "has a character that no shell can hold"
    if expected is None:
        return "" if target.strip() else "is empty"
    return "" if fits(expected, target) else f"is no {expected}, which {kind} asks"


def path_parts(name: str) -> tuple[str, ...]:
    """Return the names in a relative path."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


def path_problem(name: str) -> str:
    """Return why a path of a plan may be outside the workspace, "" where it is inside.

    Links are not followed here.
    """
    if not path_parts(name) or len(name) > 1000:
        return "is not a path"
    if name.startswith("/"):
        return "is absolute: only files inside of the workspace count"
    if ".." in path_parts(name):
        return "leads out of the workspace by `..`"
    if not name.isprintable():
        return "has characters that cannot be printed"
    return ""


def hook_problem(name: str, *, alone: bool = False) -> str:
    """Return why a task file cannot be a hook, "" where it can. Links are not followed here.

    A plan has the digests of all files in a hook's folder, because the hook may include them. So
    the hook must not be in the workspace's top folder, which contains the state, the inventory and
    everything else. `alone`: the folder is not checked.
    """
    if problem := path_problem(name):
        return problem
    if set(name) & set("{}"):
        return "has braces, which Ansible would evaluate"
    if len(path_parts(name)) < 2 and not alone:
        return "lies in the workspace's top folder: move it into hooks/, with what it includes"
    return ""


def group_problem(name: str) -> str:
    """Return why a text is no name of a group, "" where it is one. Ansible allows any text."""
    if not name or len(name) > 253 or not name.isprintable() or name != name.strip():
        return f"{name[:80]!a} is not a group name"
    return ""


# --- what package managers accept ----------------------------------------------------------------

# dpkg, lib/dpkg/parsehelp.c: letters, digits and `-+._`, an alphanumeric first.
_DEB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}")
# deb-version(7): [epoch:]upstream[-revision]; characters of each part.
_DEB_VERSION = re.compile(r"(?=.{1,200}\Z)(?:[0-9]{1,9}:)?[A-Za-z0-9][A-Za-z0-9.+~:-]*")
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
# Name and version-release of a source package, from its file name; `nosrc` where it lacks some of
# the sources.
_SOURCE_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")


def is_deb(name: str, version: str, arch: str) -> bool:
    """Return whether dpkg accepts this name, version and architecture."""
    return bool(
        _DEB_NAME.fullmatch(name) and _DEB_VERSION.fullmatch(version) and _DEB_ARCH.fullmatch(arch)
    )


def is_deb_version(version: str) -> bool:
    """Return whether dpkg accepts this version."""
    return _DEB_VERSION.fullmatch(version) is not None


def is_deb_name(name: str) -> bool:
    """Return whether dpkg accepts this name of a package."""
    return _DEB_NAME.fullmatch(name) is not None


def is_rpm_name(name: str, arch: str) -> bool:
    """Return whether rpm accepts this name and architecture."""
    return bool(_RPM_NAME.fullmatch(name) and _RPM_ARCH.fullmatch(arch))


def is_rpm_part(text: str) -> bool:
    """Return whether rpm accepts this version or release."""
    return _RPM_VERREL.fullmatch(text) is not None


def is_rpm_version(text: str) -> bool:
    """Return whether the text is `[epoch:]version-release`."""
    return _RPM_EVR.fullmatch(text) is not None


def is_rpm_module(text: str) -> bool:
    """Return whether the text is a modularity label, `name:stream:version:context`."""
    return _RPM_MODULE.fullmatch(text) is not None


def source_of_rpm(file: str) -> tuple[str, str] | None:
    """Return name and version-release of `NAME-VERSION-RELEASE.src.rpm`; None for another file.

    Both parts are unchecked text: check them before use.
    """
    match = _SOURCE_RPM.fullmatch(file)
    return (match[1], match[2]) if match else None


def is_apk(name: str, version: str, arch: str) -> bool:
    """Return whether apk accepts this name, version and architecture."""
    return bool(
        _APK_NAME.fullmatch(name) and _APK_VERSION.fullmatch(version) and _RPM_ARCH.fullmatch(arch)
    )


def is_plain(text: str) -> bool:
    """Return whether the text is printable ASCII without spaces, as names and versions of all
    package managers are."""
    return _PLAIN.fullmatch(text) is not None
