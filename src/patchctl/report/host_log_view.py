"""Show what a host answered and printed in a run. Pure: models to views."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..models.host_log import HostLog, StageLog
from ..models.states import ATTACHING, HOOKS
from ..models.words import second
from .view import Lines, Note, Part, Title, View, whole


@dataclass(frozen=True)
class HostLogView(View):
    """`rollout logs`."""

    log: HostLog

    def data(self) -> dict[str, Any]:
        """All answers, oldest first."""
        return {"run": self.log.run, "host": self.log.host, "stages": whole(self.log.stages)}

    def parts(self) -> Iterator[Part]:
        """A paragraph for each answer."""
        yield Title(f"{self.log.host} in run {self.log.run}")
        if not self.log.stages:
            yield Note("the host has answered nothing in this run, or not in this stage", kept=True)
        for stage in self.log.stages:
            yield Lines(_paragraph(stage))


def _paragraph(stage: StageLog) -> Iterator[str]:
    again = f", attempt {stage.attempt}" if stage.attempt > 1 else ""
    why = f": {stage.reason}" if stage.reason else ""
    yield f"{second(stage.at // 1000)}  {stage.stage.value}{again}: {stage.status.value}{why}"
    yield from (f"  {check}" for check in stage.checks)
    if stage.output is not None:
        yield from (f"  | {line}" for line in stage.output)
    elif stage.stage in HOOKS:
        yield "  (what a hook prints is not kept)"
    elif stage.stage in ATTACHING:
        yield "  (nothing was kept of what the host printed)"
