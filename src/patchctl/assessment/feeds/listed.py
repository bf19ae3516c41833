"""Find the versions in OSV's `versions` that its ranges do not cover.

A version is affected where either names it (https://ossf.github.io/osv-schema/#evaluation).
Publishers repeat in `versions` what the ranges cover (all of Ubuntu's and Debian's do), so only the
others are kept.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, Key, key

# (introduced, fixed, last affected), empty text where a range has no such end.
Range = tuple[str, str, str]

_SCHEMES = {
    "Debian": VersionScheme.DEB,
    "Ubuntu": VersionScheme.DEB,
    "Alpine": VersionScheme.APK,
}


def outside(
    vendor: str, ranges: Sequence[Range], versions: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Fix -> the versions outside all ranges that it is for. The fix is the next later one of the
    ranges, empty where there is none."""
    if ("", "", "") in ranges:
        return {}
    scheme = _SCHEMES.get(vendor, VersionScheme.RPM)
    by_fix: dict[str, list[str]] = {}
    for version in dict.fromkeys(versions):
        if not any(_holds(scheme, span, version) for span in ranges):
            by_fix.setdefault(_next_fix(scheme, ranges, version), []).append(version)
    return {fix: tuple(named) for fix, named in by_fix.items()}


def _holds(scheme: VersionScheme, span: Range, version: str) -> bool:
    """Whether the version is in the range; False where a version is invalid."""
    introduced, fixed, last = span
    try:
        version_key = _key(scheme, version)
        if introduced and version_key < _key(scheme, introduced):
            return False
        if fixed:
            return version_key < _key(scheme, fixed)
        return not last or version_key <= _key(scheme, last)
    except InvalidVersionError:
        return False


def _next_fix(scheme: VersionScheme, ranges: Iterable[Range], version: str) -> str:
    try:
        version_key = _key(scheme, version)
        later = [fixed for _, fixed, _ in ranges if fixed and version_key < _key(scheme, fixed)]
        return min(later, key=lambda fixed: _key(scheme, fixed), default="")
    except InvalidVersionError:
        return ""


@lru_cache(maxsize=65_536)
def _key(scheme: VersionScheme, version: str) -> Key:
    return key(scheme, version)
