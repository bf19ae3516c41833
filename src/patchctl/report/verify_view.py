"""Show a verification to people. Pure: models to rows and lines."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ..models.verification import Verification, VerifiedHost, VerifiedState
from ..models.words import count, some
from .state_words import state_word
from .view import Part, Table, View, all_notes

HEADER = ("HOST", "RUN", "STATE", "WHAT IS WRONG")
_NAMES = 4
# With more hosts than this, only hosts that are not ok are shown. All are counted.
_ALL = 50


def rows(verification: Verification) -> list[tuple[str, str, str, str]]:
    """Return a row for each host, for columns HEADER. Hosts that need attention come first."""
    many = len(verification.hosts) > _ALL
    shown = [host for host in verification.hosts if host.state is not VerifiedState.OK or not many]
    order = list(VerifiedState)
    shown.sort(key=lambda host: (order.index(host.state), host.name))
    return [(host.name, host.run, state_word(host.state), _wrong(host)) for host in shown]


def _wrong(host: VerifiedHost) -> str:
    parts = [host.reason] if host.reason else []
    if host.open_cves:
        parts.append(f"open: {some(host.open_cves, _NAMES)}")
    return "; ".join(parts) or "-"


def closing(verification: Verification) -> Iterator[str]:
    """Return lines with the result."""
    if not verification.hosts:
        yield "nothing is promised: no run has succeeded on these hosts"
    else:
        counts = Counter(host.state for host in verification.hosts)
        told = ", ".join(
            f"{counts[state]} {state_word(state)}" for state in VerifiedState if counts[state]
        )
        yield f"{count(len(verification.hosts), 'host')}: {told}"
    reasons: dict[str, list[str]] = defaultdict(list)
    for host in verification.unpromised:
        reasons[host.reason].append(host.name)
    for reason, names in reasons.items():
        yield f"nothing is promised on {some(names, _NAMES)}: {reason}"
    if verification.fixable_left is None:
        if verification.hosts:
            yield "no feeds are held: CVEs were not checked"
    elif verification.fixable_left:
        left = count(verification.fixable_left, "other fixable finding")
        verb = "is" if verification.fixable_left == 1 else "are"
        yield f"{left} {verb} left; see `patchctl assess`"
    else:
        yield "no other fixable finding is left"
    yield from verification.warnings


@dataclass(frozen=True)
class VerificationView(View):
    """`verify`."""

    verification: Verification

    def data(self) -> Verification:
        """All hosts."""
        return self.verification

    def parts(self) -> Iterator[Part]:
        """A row for each host, then the result."""
        if shown := rows(self.verification):
            yield Table(HEADER, shown)
        # Without a host there is nothing else to show, and silence would look like health.
        yield from all_notes(closing(self.verification), kept=not self.verification.hosts)
