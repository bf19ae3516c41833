"""What keys of the live screen do to a run: each what its verb does."""

import os
import signal
from collections.abc import Sequence

from ..models.journal import CommandKind
from ..models.rollout import RunState
from ..report.live_host_log import host_log
from ..workflows.rollout.runs import Rollouts
from ..workflows.rollout.watching import host_entries


class RunActions:
    """The actions on one run. Requests go by the run's mailbox, as from another terminal.

    `carries`: this process is the run's controller. `stays`: why nobody else can carry the run on,
    "" where another process can.
    """

    def __init__(self, rollouts: Rollouts, run: str, *, carries: bool, stays: str = "") -> None:
        self._rollouts = rollouts
        self._run = run
        self._carries = carries
        self._stays = stays
        # It was left, and has nobody who carries it on.
        self.left = self.stops = False
        # The run stands: there is nothing to leave any more.
        self.over = False

    def pause(self) -> str:
        """As `rollout pause`."""
        return self._ask(CommandKind.PAUSE, "pause")

    def resume(self) -> str:
        """As `rollout resume` while the run has a controller; without one nobody would carry it."""
        if not self._rollouts.controller(self._run):
            return f"nobody carries the run: patchctl rollout resume {self._run}"
        return self._ask(CommandKind.RESUME, "to go on")

    def approve(self, ring: str) -> str:
        """As `rollout approve --ring`."""
        return self._ask(CommandKind.APPROVE, f"approval of ring {ring}", ring)

    def _ask(self, command: CommandKind, what: str, ring: str = "") -> str:
        lives = self._rollouts.request(self._run, command, ring=ring)
        return f"{what}: asked for; the run takes it within a second" if lives else f"{what}: done"

    def log(self, host: str) -> list[str]:
        """What the journal has about the host."""
        return host_log(host, host_entries(self._rollouts, self._run, host))

    def leaving(self) -> Sequence[str]:
        """A question, where leaving is more than to look away."""
        if not self._carries:
            return ()
        resume = f"patchctl rollout resume {self._run}"
        paused = self._rollouts.view(self._run).state is RunState.PAUSED
        stays = self._stays or ("it is paused, and who took it over would lift that" * paused)
        self.stops = bool(stays)
        if stays:
            return (
                f"This process carries run {self._run}, and no other can: {stays}.",
                f"Leave and stop it? Hosts at work end their update alone; `{resume}` goes on.",
            )
        return (
            f"Leave run {self._run} running? A process in the background carries it on: it asks"
            " hosts at work anew, and what was begun there is not begun again.",
        )

    def leave(self) -> None:
        """Leave: who only watches ends, who carries the run ends as with Ctrl-C."""
        if self.over:
            return
        self.left = True
        if self._carries:
            # The signal goes to this process alone; Ctrl-C would also end what it has begun.
            os.kill(os.getpid(), signal.SIGINT)
