"""Decide how long a request to a host that is at work may stay open.

The host answers when its work ends; until then an open request costs nothing. The request ends by
itself when the work should be over. A host that is late is then asked again, less often the longer
it takes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ..models.journal import JournalEntry, StageAnswered
from ..models.plan import Plan
from ..models.rollout import HostWork, OutcomeStatus, Stage
from ..models.states import ATTACHING
from ..protocol.payloads import ATTACH_S

# The longest request: network devices may drop a connection even while ssh sends keep-alives.
ATTACH_MOST_S = 600
# A host that is late is asked again after this part of the time that it has taken so far.
_LATE_PART = 8
# How many runs and journal entries are read to learn how long hosts took: it takes about 0.1 s.
EARLIER_RUNS, EARLIER_ENTRIES = 3, 20_000


def answers_of(
    runs: Sequence[str], read: Callable[[str], Iterable[JournalEntry]]
) -> Iterator[StageAnswered]:
    """Yield the hosts' answers in the first of these runs.

    At most EARLIER_RUNS runs and EARLIER_ENTRIES entries of the journal are read.
    """
    entries = chain.from_iterable(map(read, runs[:EARLIER_RUNS]))
    for entry in islice(entries, EARLIER_ENTRIES):
        if isinstance(entry.event, StageAnswered):
            yield entry.event


class Patience:
    """Estimates how long a stage takes on a host.

    The estimate comes from the plan, and from how long hosts of the same cohort took before: in
    this process, or by the journal in an earlier run of the plan or before a resume.
    """

    def __init__(self, plan: Plan, seconds: Callable[[], float] = time.monotonic) -> None:
        self._hosts = {host.name: host for host in plan.body.hosts}
        self._now = seconds
        self._start_times: dict[tuple[str, Stage], float] = {}
        self._seconds_taken: dict[tuple[str, Stage], int] = {}

    def attach_s(self, stage: Stage, work: HostWork) -> int:
        """Return how many seconds a request about this stage stays open if it is made now."""
        if stage not in ATTACHING:
            return ATTACH_S
        began = self._start_times.setdefault((work.transaction, stage), self._now())
        waited = int(self._now() - began)
        remaining = self._expected_s(stage, work.host) - waited
        return max(
            ATTACH_S, min(ATTACH_MOST_S, remaining if remaining > 0 else waited // _LATE_PART)
        )

    def learn(self, stage: Stage, host: str, seconds: object) -> None:
        """Record how long a host reports that its work took; anything but a number is ignored."""
        if stage in ATTACHING and host in self._hosts and isinstance(seconds, int):
            key = (self._hosts[host].cohort, stage)
            self._seconds_taken[key] = max(
                self._seconds_taken.get(key, 0), min(seconds, ATTACH_MOST_S)
            )

    def recall(self, answers: Iterable[StageAnswered]) -> None:
        """Learn from answers in the journal, but not from failures, which may have ended early."""
        for answer in answers:
            if answer.status is OutcomeStatus.OK:
                self.learn(answer.stage, answer.host, answer.evidence.get("seconds"))

    def _expected_s(self, stage: Stage, host: str) -> int:
        planned = self._hosts[host]
        guess = ATTACH_S if stage is Stage.RESTART else planned.expected_s
        return max(guess, self._seconds_taken.get((planned.cohort, stage), 0) + 1)
