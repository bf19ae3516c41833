"""Show which hosts of a plan are ready for it. Pure: models to views."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..models.readiness import HostCheck, Readiness, RolloutCheck
from ..models.words import count, short, some
from .view import Lines, Note, Part, Table, Title, View, whole

# In a plan with more hosts than this, only hosts that are not ready are shown.
_TABLE = 50
_NAMES = 4
_WORDS = {
    Readiness.READY: "ready",
    Readiness.NOT_READY: "not ready",
    Readiness.NOT_ASKED: "could not ask",
}


@dataclass(frozen=True)
class RolloutCheckView(View):
    """`rollout --check`."""

    check: RolloutCheck

    def data(self) -> dict[str, Any]:
        """Each host's result, and how many have which."""
        return {
            "plan": self.check.plan,
            "counts": {result.value: self.check.count(result) for result in Readiness},
            "hosts": whole(self.check.hosts),
        }

    def parts(self) -> Iterator[Part]:
        """The counts, the hosts that are not ready first, remarks, and the next step."""
        hosts, ready = self.check.hosts, self.check.count(Readiness.READY)
        numbers = [
            f"{self.check.count(result)} {_WORDS[result]}"
            for result in Readiness
            if self.check.count(result)
        ]
        yield Title(
            f"plan {short(self.check.plan)}: {count(len(hosts), 'host')}: {', '.join(numbers)}"
        )
        shown = [host for host in hosts if host.result is not Readiness.READY]
        if len(hosts) <= _TABLE:
            shown += [host for host in hosts if host.result is Readiness.READY]
        yield Table(("HOST", "RING", "RESULT", "REASON"), map(_row, shown))
        yield Lines(_notes(hosts))
        yield Note("nothing was changed on the hosts, and no run has begun", kept=True)
        if ready == len(hosts):
            yield Note(f"next: patchctl rollout {short(self.check.plan)}")


def _row(host: HostCheck) -> tuple[str, ...]:
    return (host.name, host.ring, _WORDS[host.result], host.reason)


def _notes(hosts: tuple[HostCheck, ...]) -> Iterator[str]:
    """Yield each remark once, with its hosts."""
    names: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for note in host.notes:
            names[note].append(host.name)
    for note, noted in names.items():
        yield f"note: {note} ({some(noted, _NAMES)})"
