"""What a command that carried or followed a run ends with: where the run stands, then a summary."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..models.rollout import HostState, RunState
from ..models.run_status import RunStatus
from ..models.states import AT_REST, COUNTED, ENDED_WELL, IN_FLIGHT, OVER, SUMMED_APART, UNDOING
from ..models.words import some, span
from .rollout_view import RunView, next_step
from .state_words import state_word
from .view import Lines, Part

_NAMES = 4


def summary(status: RunStatus, took_ms: int) -> list[str]:
    """How the hosts ended, how many need a reboot, how long it took. An undone host failed before,
    but for a run that is undone as an operator asked."""
    states = Counter(host.state for host in status.hosts)
    failed = COUNTED - ENDED_WELL - IN_FLIGHT if status.state in UNDOING else COUNTED
    later = sorted(failed - {HostState.FAILED})
    after = [f"{states[state]} {state_word(state)}" for state in later if states[state]]
    others = sorted(AT_REST - failed - SUMMED_APART)
    working = sum(states[state] for state in IN_FLIGHT - failed)
    how = f" ({', '.join(after)})" if after else ""
    told = [
        f"{states[HostState.SUCCEEDED]} succeeded",
        f"{sum(states[state] for state in failed)} failed{how}",
        f"{states[HostState.SKIPPED]} skipped",
        *(f"{states[state]} {state_word(state)}" for state in others if states[state]),
    ]
    told += [f"{working} at work"] if working else []
    told += [f"{states[HostState.PENDING]} not begun"] if states[HostState.PENDING] else []
    reboots = sum(host.reboot_required for host in status.hosts)
    old = len(_on_old_code(status))
    besides = f"; run old code until a restart or a reboot: {old}" if old else ""
    return [
        f"summary: {', '.join(told)}",
        f"need a reboot: {reboots}{besides}",
        f"time taken: {span(took_ms // 1000)}",
    ]


def what_next(status: RunStatus) -> list[str]:
    """What an operator would do next; says so where that is nothing."""
    steps = next_step(status).splitlines()
    reboots = [host.name for host in status.hosts if host.reboot_required]
    if status.state in OVER:
        then = f"then see with `patchctl verify {status.run}` that what was installed runs"
        if reboots:
            steps.append(f"reboot {some(reboots, _NAMES)}, {then}")
        if old := _on_old_code(status):
            steps.append(f"restart what runs old code on {some(old, _NAMES)}, or reboot, {then}")
    if steps:
        return ["next:", *(f"  {step}" for step in steps)]
    if status.state is RunState.DONE:
        again = f"`patchctl verify {status.run}` tells later whether it still holds"
        return [f"next: nothing is left to do; {again}"]
    if status.state not in OVER:
        return [f"next: the run goes on; `patchctl rollout watch {status.run}` shows it"]
    return ["next: nothing is left to do"]


def _on_old_code(status: RunStatus) -> list[str]:
    """Hosts that go on with old code and are not to be rebooted for something else anyway."""
    return [host.name for host in status.hosts if host.old_code and not host.reboot_required]


@dataclass(frozen=True)
class RunEndView(RunView):
    """Where a run stands when a command ends, with a summary below. Programs get what
    `rollout status` gives."""

    took_ms: int = 0

    def parts(self) -> Iterator[Part]:
        """The status, whose last part is what to do next, with the summary before that."""
        *body, _ = super().parts()
        yield from body
        yield Lines([*summary(self.status, self.took_ms), *what_next(self.status)])
