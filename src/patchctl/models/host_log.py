"""What one host answered and printed in the stages of a run (`rollout logs`)."""

from .base import Model
from .rollout import OutcomeStatus, Stage


class StageLog(Model):
    """One answer of the host. `at` is epoch ms UTC. `checks` are lines `NAME: DETAIL`. `output` is
    the end of what the host printed, None where nothing was kept."""

    stage: Stage
    attempt: int
    at: int
    status: OutcomeStatus
    reason: str = ""
    checks: tuple[str, ...] = ()
    output: tuple[str, ...] | None = None


class HostLog(Model):
    """The answers of one host in a run, oldest first."""

    run: str
    host: str
    stages: tuple[StageLog, ...]
