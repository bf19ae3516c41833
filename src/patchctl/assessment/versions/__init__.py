"""Version order as dpkg, rpm and apk have it, by keys made once.

`key` turns a version into bytes. Keys of one scheme compare by `<` and `==`, hash and bisect as the
package manager compares the versions; keys of different schemes mean nothing to each other.
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
    """The place of a full version (with epoch, revision or release, if it has them) in its order.

    Raises InvalidVersionError for text that the package manager takes for no version.
    """
    return _FUNCTIONS[scheme](version)


def key_function(scheme: VersionScheme) -> Callable[[str], Key]:
    """`key` of one scheme, for loops over a feed."""
    return _FUNCTIONS[scheme]
