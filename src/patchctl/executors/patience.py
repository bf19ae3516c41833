"""Decide how long a question to a host at work may stay open.

The host answers when its work ends; until then an open question costs nothing. The question ends by
itself when the work should be over, so that a host that is late is asked anew, and then ever more
seldom the longer it takes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ..models.journal import JournalEntry, StageAnswered
from ..models.plan import Plan
from ..models.rollout import HostWork, OutcomeStatus, Stage
from ..models.states import ATTACHING
from ..protocol.payloads import ATTACH_S

# The longest question: devices on the way may drop a connection, whatever ssh sends on it.
ATTACH_MOST_S = 600
# A host that is late is asked again after this part of the time that it has taken so far.
_LATE_PART = 8
# How much of the journal is read to learn how long hosts took: about a tenth of a second.
EARLIER_RUNS, EARLIER_ENTRIES = 3, 20_000


def answers_of(
    runs: Sequence[str], read: Callable[[str], Iterable[JournalEntry]]
) -> Iterator[StageAnswered]:
    """The hosts' answers in the first of these runs, as far as they are read in a moment."""
    entries = chain.from_iterable(map(read, runs[:EARLIER_RUNS]))
    for entry in islice(entries, EARLIER_ENTRIES):
        if isinstance(entry.event, StageAnswered):
            yield entry.event


class Patience:
    """Estimates from the plan, and from how long hosts of the same cohort took before: in this
    process, or by the journal in an earlier run of the plan or before a resume."""

    def __init__(self, plan: Plan, seconds: Callable[[], float] = time.monotonic) -> None:
        self._hosts = {host.name: host for host in plan.body.hosts}
        self._now = seconds
        self._began: dict[tuple[str, Stage], float] = {}
        self._took: dict[tuple[str, Stage], int] = {}

    def attach_s(self, stage: Stage, work: HostWork) -> int:
        """The seconds that a question about this stage stays open when it is asked now."""
        if stage not in ATTACHING:
            return ATTACH_S
        began = self._began.setdefault((work.transaction, stage), self._now())
        waited = int(self._now() - began)
        remaining = self._expected_s(stage, work.host) - waited
        return max(
            ATTACH_S, min(ATTACH_MOST_S, remaining if remaining > 0 else waited // _LATE_PART)
        )

    def learn(self, stage: Stage, host: str, seconds: object) -> None:
        """Learn how long a host says that its work took; anything but a number is ignored."""
        if stage in ATTACHING and host in self._hosts and isinstance(seconds, int):
            key = (self._hosts[host].cohort, stage)
            self._took[key] = max(self._took.get(key, 0), min(seconds, ATTACH_MOST_S))

    def recall(self, answers: Iterable[StageAnswered]) -> None:
        """Learn from the journal's answers. Work that failed may have ended early: not from it."""
        for answer in answers:
            if answer.status is OutcomeStatus.OK:
                self.learn(answer.stage, answer.host, answer.evidence.get("seconds"))

    def _expected_s(self, stage: Stage, host: str) -> int:
        planned = self._hosts[host]
        guess = ATTACH_S if stage is Stage.RESTART else planned.expected_s
        return max(guess, self._took.get((planned.cohort, stage), 0) + 1)
