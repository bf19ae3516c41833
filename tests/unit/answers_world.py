"""Make complete answers of hosts for each stage, which tests then shorten."""

from collections.abc import Mapping, Sequence

from patchctl.models.plan import Action, Transition
from patchctl.models.policy import Probe
from patchctl.models.rollout import Stage

BOOT = "boot 00000000-0000-4000-8000-000000000001 24"
NEW_BOOT = "boot 00000000-0000-4000-8000-000000000002 99"
BEFORE: Mapping[str, int] = {
    "units": 80,
    "installed": 200,
    "auto": 40,
    "failed": 1,
    "services": 7,
    "listeners": 6,
}
_CHECKS: Mapping[Stage, Sequence[str]] = {
    Stage.PREFLIGHT: (
        "identity",
        "clock",
        "shutdown",
        "package-manager",
        "versions",
        "disk",
        "updaters",
        "claim",
    ),
    Stage.PREPARE: ("files", "simulation", "undo"),
    Stage.APPLY: ("packages",),
    Stage.REBOOT: ("reboot",),
    Stage.VERIFY: (
        *("versions", "installed", "marks", "units", "services", "listeners"),
        *("effective", "kernel"),
    ),
    Stage.UNDO: ("packages",),
}
_SIDES = {
    Stage.PREFLIGHT: "from",
    Stage.APPLY: "to",
    Stage.VERIFY: "to",
    Stage.UNDO: "from",
    Stage.VERIFY_UNDO: "from",
}


def whole(
    stage: Stage, transitions: Sequence[Transition], probes: Sequence[Probe] = ()
) -> list[str]:
    """Return the lines of a good answer, without the request before them."""
    verifying = stage in (Stage.VERIFY, Stage.VERIFY_UNDO)
    if stage is Stage.RELEASE:
        return ["holds no", "answer ok"]
    lines = [NEW_BOOT if stage is Stage.REBOOT else BOOT, "reboot-required no"]
    if side := _SIDES.get(stage):
        lines.append(f"asked packages {len(transitions)}")
        lines += [_package(transition, side) for transition in transitions]
    if stage is Stage.PREPARE or verifying:
        lines += [f"before {name} {count}" for name, count in BEFORE.items()]
        lines += [f"check probe:{number} ok http" for number, _ in enumerate(probes, start=1)]
    if stage is Stage.PREPARE:
        lines += [
            f"old {transition.package} {transition.arch} 1 cache"
            for transition in transitions
            if transition.from_
        ]
    if verifying:
        gone = Action.REMOVE if stage is Stage.VERIFY else Action.NEW
        lines += [
            f"asked marks {sum(transition.action is not gone for transition in transitions)}",
            *(f"asked {name} {BEFORE[name]}" for name in ("services", "listeners")),
            "asked units 81",
        ]
    if stage is Stage.RESTART or verifying:
        lines.append("asked processes 33")
    if stage is Stage.APPLY:
        lines.append("code 0")
    like = Stage.VERIFY if stage is Stage.VERIFY_UNDO else stage
    lines += [f"check {name} ok well" for name in _CHECKS.get(like, ())]
    held = stage in (Stage.PREFLIGHT, Stage.PREPARE)
    return [*lines, f"holds {'yes' if held else 'no'}", "answer ok"]


def _package(transition: Transition, side: str) -> str:
    version = transition.to if side == "to" else transition.from_
    status = "ii" if version else "-"
    return f"package {transition.package} {transition.arch} {side} {version or '-'} {status}"
