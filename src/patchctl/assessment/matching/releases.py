"""Tell which releases of operating systems still get fixes."""

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
    """The fleet's releases with their support on the ISO date `today`, most hosts first."""
    known = {(lifecycle.product, lifecycle.cycle): lifecycle for lifecycle in lifecycles}
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
    lifecycle = known.get((platform.product, platform.cycle))
    if lifecycle is None:
        return Release(ecosystem=platform.label, hosts=hosts, support="unknown")
    support, note = "supported", ""
    if lifecycle.end and lifecycle.end < today:
        support, note = "ended", f"support ended on {lifecycle.end}"
        if lifecycle.extended_end and lifecycle.extended_end >= today:
            contract = bool(platform.channels)
            if platform.product in _FREE or contract:
                support = "extended"
            name = lifecycle.extended_name or "extended support"
            note += f"; {name} until {lifecycle.extended_end}"
            if platform.product not in _FREE:
                note += "" if contract else " needs a subscription"
    return Release(
        ecosystem=platform.label,
        hosts=hosts,
        support=support,
        end=lifecycle.end,
        extended_end=lifecycle.extended_end,
        note=note,
    )
