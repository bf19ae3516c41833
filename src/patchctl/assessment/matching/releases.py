"""Which releases of operating systems still get fixes."""

from collections import Counter
from collections.abc import Iterable

from ...models.advisory import Lifecycle
from ...models.assessment import Release
from .platforms import Platform

# Long-term support that the distribution's own archive delivers to everybody, without a contract.
# Debian's LTS: https://wiki.debian.org/LTS
_FREE = {"debian"}


def releases(
    hosts: Iterable[Platform], lifecycles: Iterable[Lifecycle], today: str
) -> tuple[Release, ...]:
    """The fleet's releases with their support at an ISO date, largest first."""
    known = {(one.product, one.cycle): one for one in lifecycles}
    counts: Counter[str] = Counter()
    platforms: dict[str, Platform] = {}
    for platform in hosts:
        counts[platform.label] += 1
        platforms[platform.label] = platform
    return tuple(
        _release(platforms[label], count, known, today) for label, count in counts.most_common()
    )


def _release(
    platform: Platform, hosts: int, known: dict[tuple[str, str], Lifecycle], today: str
) -> Release:
    found = known.get((platform.product, platform.cycle))
    if found is None:
        return Release(ecosystem=platform.label, hosts=hosts, support="unknown")
    support, note = "supported", ""
    if found.end and found.end < today:
        support, note = "ended", f"support ended on {found.end}"
        if found.extended_end and found.extended_end >= today:
            contract = bool(platform.channels)
            if platform.product in _FREE or contract:
                support = "extended"
            name = found.extended_name or "extended support"
            note += f"; {name} until {found.extended_end}"
            if platform.product not in _FREE:
                note += "" if contract else " needs a subscription"
    return Release(
        ecosystem=platform.label,
        hosts=hosts,
        support=support,
        end=found.end,
        extended_end=found.extended_end,
        note=note,
    )
