"""What a package's name, architecture and version may look like.

Looser than Debian policy 5.6 (third parties ship upper case) and wide enough for rpm, but nothing
in here can be an option, a path, a glob, a shell word or a template.
"""

import re

NAME = r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}"
ARCH = r"[a-z0-9][a-z0-9_-]{0,39}"
VERSION = r"[0-9A-Za-z][0-9A-Za-z.+~:^_-]{0,199}"

_NAME = re.compile(NAME)
_ARCH = re.compile(ARCH)
_VERSION = re.compile(VERSION)


def is_name(text: str) -> bool:
    """True for a package's name."""
    return _NAME.fullmatch(text) is not None


def is_arch(text: str) -> bool:
    """True for an architecture."""
    return _ARCH.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """True for a full version, `[epoch:]upstream[-revision]`."""
    return _VERSION.fullmatch(text) is not None
