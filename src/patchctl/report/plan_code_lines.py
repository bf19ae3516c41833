"""Show the hooks and probes that a plan runs, for a person who must decide to trust it. Pure.

Commands are shown whole, each line behind a bar: a part left out could be the one that matters.
Text is not cleaned here: the caller cleans it before it reaches a terminal.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..models.plan import HookFile, HookMode, PlanBody
from ..models.policy import Probe, ProbeKind, RingPolicy
from ..models.words import more

_FILES = 25

Said = TypeVar("Said")


def code(body: PlanBody, *, full: bool = False) -> list[str]:
    """Return the hooks with their files, then all probes; empty where there are none. `full` shows
    all files of the hooks.
    """
    return [*_hooks(body, full=full), *_probes(body)]


def _hooks(body: PlanBody, *, full: bool) -> list[str]:
    if not body.hook_names:
        return []
    lines = ["Hooks, which run on this machine around each host:"]
    for hooks, rings in _alike(body.rings, lambda ring: ring.hooks).items():
        if hooks:
            lines.append(f"  {rings}: {', '.join(f'{hook.stage} {hook.file}' for hook in hooks)}")
        lines += [
            f"    {hook.stage} sees {hook.sight}: it may reach them and read all of their variables"
            for hook in hooks
            if hook.sees
        ]
    if not body.hooks:
        return [*lines, "  their content is not known: the plan is from before it was kept"]
    shown = body.hooks if full else body.hooks[:_FILES]
    width = max(len(file.path) for file in shown)
    lines += [f"  {file.path.ljust(width)}  {_content(file)}" for file in shown]
    if len(shown) < len(body.hooks):
        lines.append(f"  {more(len(body.hooks) - len(shown), 'file')}; see --full")
    return lines


def _content(file: HookFile) -> str:
    if file.mode is HookMode.LINK:
        return f"link to {file.target}"
    return file.sha256[:12] + (" executable" if file.mode is HookMode.EXECUTABLE else "")


def _probes(body: PlanBody) -> list[str]:
    lines: list[str] = []
    for probes, rings in _alike(body.rings, lambda ring: ring.probes).items():
        if probes:
            lines.append(f"Probes, which hosts of {rings} run as root:")
            for probe in probes:
                lines += _probe(probe)
    return lines


def _probe(probe: Probe) -> list[str]:
    where = [
        *(f"in group {name}" for name in probe.groups),
        *(f"with package {name}" for name in probe.packages),
    ]
    on = f" (on hosts {' or '.join(where)})" if where else ""
    if probe.kind is not ProbeKind.COMMAND:
        expect = f" with {probe.expect!r} in the answer" if probe.expect else ""
        return [f"  {probe.name}{on}: {probe.kind} {probe.target}{expect}"]
    return [f"  {probe.name}{on}: command", *(f"    | {line}" for line in probe.target.split("\n"))]


def _alike(rings: Iterable[RingPolicy], says: Callable[[RingPolicy], Said]) -> dict[Said, str]:
    """Return the texts that `says` gives for rings, each with the names of its rings in their
    order.
    """
    rings_by_text: dict[Said, list[str]] = {}
    for ring in rings:
        rings_by_text.setdefault(says(ring), []).append(ring.name)
    return {said: ", ".join(names) for said, names in rings_by_text.items()}
