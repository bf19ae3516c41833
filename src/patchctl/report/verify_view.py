"""A verification, for a person. Pure: models to rows and lines."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ..models.verification import Verification, VerifiedHost, VerifiedState
from ..models.words import count, some
from .state_words import state_word
from .view import Part, Table, View, all_notes

HEADER = ("HOST", "RUN", "STATE", "WHAT IS WRONG")
_NAMES = 4
# Of more hosts than this only those that are not ok are shown; all are counted.
_ALL = 50


def rows(found: Verification) -> list[tuple[str, str, str, str]]:
    """One row a host, below HEADER; what needs somebody comes first."""
    many = len(found.hosts) > _ALL
    shown = [one for one in found.hosts if one.state is not VerifiedState.OK or not many]
    order = list(VerifiedState)
    shown.sort(key=lambda one: (order.index(one.state), one.name))
    return [(one.name, one.run, state_word(one.state), _wrong(one)) for one in shown]


def _wrong(one: VerifiedHost) -> str:
    parts = [one.reason] if one.reason else []
    if one.open_cves:
        parts.append(f"open: {some(one.open_cves, _NAMES)}")
    return "; ".join(parts) or "-"


def closing(found: Verification) -> Iterator[str]:
    """What came of it, one line each."""
    if not found.hosts:
        yield "nothing is promised: no run has succeeded on these hosts"
    else:
        counts = Counter(one.state for one in found.hosts)
        told = ", ".join(f"{counts[one]} {state_word(one)}" for one in VerifiedState if counts[one])
        yield f"{count(len(found.hosts), 'host')}: {told}"
    reasons: dict[str, list[str]] = defaultdict(list)
    for one in found.unpromised:
        reasons[one.reason].append(one.name)
    for reason, names in reasons.items():
        yield f"nothing is promised on {some(names, _NAMES)}: {reason}"
    if found.fixable_left is None:
        if found.hosts:
            yield "no feeds are held: CVEs were not checked"
    elif found.fixable_left:
        left = count(found.fixable_left, "other fixable finding")
        yield f"{left} {'is' if found.fixable_left == 1 else 'are'} left; see `patchctl assess`"
    else:
        yield "no other fixable finding is left"
    yield from found.warnings


@dataclass(frozen=True)
class VerificationView(View):
    """`verify`."""

    verification: Verification

    def data(self) -> Verification:
        """Every host."""
        return self.verification

    def parts(self) -> Iterator[Part]:
        """A row a host, then what came of it."""
        if shown := rows(self.verification):
            yield Table(HEADER, shown)
        yield from all_notes(closing(self.verification))
