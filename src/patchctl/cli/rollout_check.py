"""`rollout --check`: ask all hosts of a plan whether they are ready, and change nothing."""

from typing import TYPE_CHECKING, NoReturn

import typer

from ..models.readiness import Readiness
from ..report.formats import Format
from ..report.rollout_check_view import RolloutCheckView
from . import output

if TYPE_CHECKING:
    from ..workflows.rollout.start import Chosen, Starting
    from .running import Terminal


def finish(rolling: "Starting", chosen: "Chosen", terminal: "Terminal", form: Format) -> NoReturn:
    """Check the plan's hosts, show the result and exit: 0 where all are ready, 1 otherwise."""
    from ..workflows.rollout.start import NothingToDo

    checked = rolling.check(chosen, say=terminal.say)
    if isinstance(checked, NothingToDo):
        terminal.nothing(checked)
    output.show(RolloutCheckView(checked), form)
    all_ready = checked.count(Readiness.READY) == len(checked.hosts)
    raise typer.Exit(0 if all_ready else 1)
