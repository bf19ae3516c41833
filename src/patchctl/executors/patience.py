"""How long a question to a host at work may stay open.

The host answers when its work ends, whenever that is; until then an open question costs nothing.
It ends by itself when the work should be over, so that a host that is late is looked at anew, and
then ever more seldom the longer it takes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ..models.journal import JournalEntry, StageAnswered
from ..models.plan import Plan
from ..models.rollout import HostWork, OutcomeStatus, Stage
from ..models.states import ATTACHING
from ..protocol.payloads import ATTACH_S

# The longest question: what stands between may forget a connection, whatever ssh says on it.
ATTACH_MOST_S = 600
# A host that is late is looked at again after this part of the time that it has taken so far.
_LATE_PART = 8
# How much of the journal is read for how long hosts took: about a tenth of a second.
EARLIER_RUNS, EARLIER_ENTRIES = 3, 20_000


def answers_of(
    runs: Sequence[str], read: Callable[[str], Iterable[JournalEntry]]
) -> Iterator[StageAnswered]:
    """What the hosts of the first of these runs answered, as far as it is read in a moment."""
    entries = chain.from_iterable(map(read, runs[:EARLIER_RUNS]))
    for entry in islice(entries, EARLIER_ENTRIES):
        if isinstance(entry.event, StageAnswered):
            yield entry.event


class Patience:
    """Asks the plan, and what hosts of the same cohort took before: in this process, or as the
    journal has it of an earlier run of the plan or from before a resume."""

    def __init__(self, plan: Plan, seconds: Callable[[], float] = time.monotonic) -> None:
        self._hosts = {host.name: host for host in plan.body.hosts}
        self._now = seconds
        self._began: dict[tuple[str, Stage], float] = {}
        self._took: dict[tuple[str, Stage], int] = {}

    def attach_s(self, stage: Stage, work: HostWork) -> int:
        """Seconds that a question about this stage stays open, asked now."""
        if stage not in ATTACHING:
            return ATTACH_S
        began = self._began.setdefault((work.transaction, stage), self._now())
        waited = int(self._now() - began)
        left = self._expected_s(stage, work.host) - waited
        return max(ATTACH_S, min(ATTACH_MOST_S, left if left > 0 else waited // _LATE_PART))

    def learn(self, stage: Stage, host: str, seconds: object) -> None:
        """A host says how long its work took; anything but a number tells nothing."""
        if stage in ATTACHING and host in self._hosts and isinstance(seconds, int):
            key = (self._hosts[host].cohort, stage)
            self._took[key] = max(self._took.get(key, 0), min(seconds, ATTACH_MOST_S))

    def recall(self, answers: Iterable[StageAnswered]) -> None:
        """Learn from answers of the journal. Work that failed may have ended early: not from it."""
        for answer in answers:
            if answer.status is OutcomeStatus.OK:
                self.learn(answer.stage, answer.host, answer.evidence.get("seconds"))

    def _expected_s(self, stage: Stage, host: str) -> int:
        planned = self._hosts[host]
        guess = ATTACH_S if stage is Stage.RESTART else planned.expected_s
        return max(guess, self._took.get((planned.cohort, stage), 0) + 1)
