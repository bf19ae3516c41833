"""Name the hosts and repositories that could not be looked at, for people. Pure: models to lines.

Text from hosts is not cleaned here: the caller cleans it before it reaches a terminal.
"""

from collections.abc import Sequence

from ..models.plan import CouldNotLook
from ..models.words import count, more, some
from .wrapping import wrapped

_NAMES = 12
_ROWS = 25


def could_not_look(rows: Sequence[CouldNotLook], *, full: bool = False) -> list[str]:
    """Return a line for each reason, with the repositories or hosts that have it. Empty where all
    could be looked at.
    """
    if not rows:
        return []
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.repository, row.reason), []).append(row.host)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = ["Could not look at:"]
    for (repository, reason), hosts in ranked if full else ranked[:_ROWS]:
        on = some(sorted(hosts), _NAMES, full=full)
        what = f"{repository} on {on}" if repository else on
        lines += wrapped(f"{what}: {reason}")
    if len(ranked) > _ROWS and not full:
        lines.append(f"  {more(len(ranked) - _ROWS)}; see --full")
    return lines


def incomplete(rows: Sequence[CouldNotLook]) -> str:
    """Return a sentence such as `2 hosts could not be looked at as a whole`."""
    hosts = count(len({row.host for row in rows}), "host")
    return f"{hosts} could not be looked at as a whole"


def held_back(rows: Sequence[CouldNotLook]) -> str:
    """Return what to do about hosts that are left out because of their repositories."""
    return (
        f"{incomplete(rows)}; fix their repositories, or plan what is known of with"
        " policy.stale_lists: warn"
    )
