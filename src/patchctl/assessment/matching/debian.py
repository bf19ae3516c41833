"""Read Debian's conventions in versions: backports, updates of a stable release, signed kernels."""

import re

# The kernel's signing service makes source packages of its own, whose version is the kernel's with
# the dash as a plus: `linux-signed-amd64 6.1.176+1` is built from `linux 6.1.176-1`, and
# `6.12.95+1~bpo12+1` from `6.12.95-1~bpo12+1`. The plus would sort above the dash.
_SIGNED = re.compile(r"linux-signed(-[0-9.]+)?-[a-z0-9]+")
_BACKPORT = re.compile(r"~bpo([0-9]+)(?:\.[0-9]+)?\+.*$")
_UPDATE = re.compile(r"[+~]deb([0-9]+)u[0-9]+")
# Until wheezy backports were named by number and a zero: ~bpo60 for squeeze, ~bpo70 for wheezy.
_OLD_BACKPORTS = {"40": "4", "50": "5", "60": "6", "70": "7"}


def signed_source(source: str) -> str:
    """The source package that a signed kernel's is made from; empty for any other source."""
    match = _SIGNED.fullmatch(source)
    return f"linux{match[1] or ''}" if match else ""


def unsigned(version: str) -> str:
    """The version of the kernel's source that a signed one is made from."""
    return version if "-" in version else version.replace("+", "-", 1)


def signed(version: str) -> str:
    """The version of the signed source that is made from a kernel's source."""
    head, dash, tail = version.rpartition("-")
    return f"{head}+{tail}" if dash else version


def backported_to(version: str) -> str:
    """The number of the release that a backport was built for, empty where it is none."""
    match = _BACKPORT.search(version)
    return _OLD_BACKPORTS.get(match[1], match[1]) if match else ""


def backported_from(version: str) -> str:
    """The version that was backported: `6.12.95-1` of `6.12.95-1~bpo12+1`."""
    return _BACKPORT.sub("", version)


def updated_in(version: str) -> str:
    """The number of the release that a version updates: `12` of `1.1-2+deb12u3` and of
    `130.0-1~deb12u1`; empty where the version does not tell. The last mark counts:
    `1.1-2+deb12u1~deb11u1` was built again for 11."""
    return next(iter(reversed(_UPDATE.findall(version))), "")
