"""A run at one moment, for a screen that shows it while it goes on. Times are epoch ms UTC."""

from .base import Model
from .policy import Amount
from .run_status import RunStatus


class Forecast(Model):
    """What is left of a run, as far as it is known.

    `waves` have not begun. `wave_ms` is how long a wave takes by the hosts that have ended, 0 where
    none has; `source` is the earlier run that it is taken from, "" for this run. `working_since` is
    when the wave that is under way began, None where no host is at work. `soaks_ms` is the sum of
    soaks that have not begun, `soak_until` the end of the present soak. `approvals` are the rings
    that wait for a person first.
    """

    waves: int = 0
    wave_ms: int = 0
    source: str = ""
    working_since: int | None = None
    soaks_ms: int = 0
    soak_until: int | None = None
    approvals: tuple[str, ...] = ()


class Approval(Model):
    """The ring that waits for an approval, and what is approved with it: so many hosts in so many
    waves, its budget, how many hosts may fail at worst, its packages, and those of them that are
    not undone by themselves or that no earlier ring has proven."""

    ring: str
    hosts: int
    waves: int
    budget: Amount
    worst_case: int
    packages: tuple[str, ...]
    unsafe: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()


class Picture(Model):
    """A run at one moment. `seq` is that of its last entry. `since` has, for each host of the
    status in the same order, when the host's present stage began. `began` is when the run began, or
    its undo or retry. The status has the blockers of that entry: a soak that has ended since is
    still among them."""

    seq: int
    status: RunStatus
    since: tuple[int, ...]
    began: int = 0
    forecast: Forecast = Forecast()
    approval: Approval | None = None
