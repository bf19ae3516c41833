"""Order versions as dpkg, rpm and apk do, by keys that are made once.

`key` turns a version into bytes. Keys of one scheme compare by `<` and `==` as the package manager
compares the versions, and can be hashed and bisected; keys of different schemes cannot be compared.
"""

from collections.abc import Callable

from ...models.versions import VersionScheme
from . import apk, deb, rpm
from .tokens import InvalidVersionError, Key

__all__ = ["InvalidVersionError", "Key", "key", "key_function"]

_FUNCTIONS: dict[VersionScheme, Callable[[str], Key]] = {
    VersionScheme.DEB: deb.key,
    VersionScheme.RPM: rpm.key,
    VersionScheme.APK: apk.key,
}


def key(scheme: VersionScheme, version: str) -> Key:
    """The sort key of a full version (with epoch, revision or release, if it has them).

    Raises InvalidVersionError for text that the package manager does not take for a version.
    """
    return _FUNCTIONS[scheme](version)


def key_function(scheme: VersionScheme) -> Callable[[str], Key]:
    """`key` of one scheme, for loops over a feed."""
    return _FUNCTIONS[scheme]
