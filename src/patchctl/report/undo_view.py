"""Show what an undo would change, before it asks. Pure: models to lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..models.plan import Action, Transition
from ..models.undo import UndoGroup
from ..models.words import count, more, short, some
from .view import Aside, Part, all_notes
from .wrapping import wrapped

# How many packages, and how many groups of hosts with the same packages, are named.
_PACKAGES = 15
_GROUPS = 12
_NAMES = 5


@dataclass(frozen=True)
class UndoQuestionView(Aside):
    """The text before the question whether to undo a run: hosts, packages and versions."""

    run: str
    plan: str
    groups: Sequence[UndoGroup]

    def parts(self) -> Iterator[Part]:
        """How many hosts, then the packages of each group of hosts."""
        yield from all_notes(self._lines(), kept=True)

    def _lines(self) -> Iterator[str]:
        undone = sum(len(group.hosts) for group in self.groups if not group.unsafe)
        stay = sum(len(group.hosts) for group in self.groups if group.unsafe)
        unsafe = f"; {count(stay, 'host')} would stay as now" if stay else ""
        yield f"undo of run {self.run}: {count(undone, 'host')}{unsafe}"
        for group in self.groups[:_GROUPS]:
            yield from _group(group)
        hidden = self.groups[_GROUPS:]
        if hidden:
            hosts = sum(len(group.hosts) for group in hidden)
            yield f"  {more(hosts, 'host')} with other packages"
        if hidden or any(len(group.transitions) > _PACKAGES for group in self.groups):
            yield f"  all packages: patchctl plan show {short(self.plan)}"


def _group(group: UndoGroup) -> Iterator[str]:
    yield f"  {group.ring}: {count(len(group.hosts), 'host')}: {some(group.hosts, _NAMES)}"
    if group.unsafe:
        reason = f"stays as now, because it is unsafe to undo: {', '.join(group.unsafe)}"
        yield from wrapped(f"{reason}; --force undoes it, too", "    ")
        return
    shown = group.transitions[:_PACKAGES]
    width = max((len(transition.package) for transition in shown), default=0)
    for transition in shown:
        yield f"    {transition.package:<{width}}  {_back(transition)}"
    if hidden := len(group.transitions) - len(shown):
        yield f"    {more(hidden, 'package')}"


def _back(transition: Transition) -> str:
    """Return what the undo does to the package, as `from -> to`."""
    if transition.action is Action.NEW:
        return f"{transition.to} -> removed"
    if transition.action is Action.REMOVE:
        return f"removed -> {transition.from_}"
    return f"{transition.to} -> {transition.from_}"
