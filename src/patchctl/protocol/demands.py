"""Check that a stage's answer is complete. A missing result is not a good result: a check counts
only where the host reported all of it.

The host reports what it checked and each result; the plan and the state before the update say what
must be there. An answer `ok` that lacks a part of it becomes a failure, for whatever reason it is
short: a full disk, a missing tool, a script that was cut off.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.plan import Action, Transition
from ..models.policy import Probe
from ..models.rollout import HostWork, Stage
from ..models.states import JOBS, LOCKABLE, MUST_HOLD, VERIFYING
from .replies import Reply

# Stage -> the checks that an answer must have. None of them may have failed.
CHECKS: Mapping[Stage, frozenset[str]] = {
    Stage.PREFLIGHT: frozenset(
        {
            "identity",
            "clock",
            "shutdown",
            "package-manager",
            "versions",
            "disk",
            "updaters",
            "claim",
        }
    ),
    Stage.PREPARE: frozenset({"files", "simulation", "undo"}),
    Stage.APPLY: frozenset({"packages"}),
    Stage.RESTART: frozenset(),
    Stage.REBOOT: frozenset({"reboot"}),
    Stage.VERIFY: frozenset(
        {"versions", "installed", "marks", "units", "services", "listeners", "effective", "kernel"}
    ),
    Stage.UNDO: frozenset({"packages"}),
    Stage.RELEASE: frozenset(),
}
# Stage -> the checks of a host that did the stage already, when it is asked again.
AGAIN: Mapping[Stage, frozenset[str]] = {
    Stage.PREFLIGHT: frozenset({"transaction", "claim"}),
    Stage.PREPARE: frozenset({"prepared"}),
}
# Stage -> the version that every planned package must have afterwards: `from` or `to` of the plan.
PLACES: Mapping[Stage, str] = {
    Stage.PREFLIGHT: "from",
    Stage.APPLY: "to",
    Stage.VERIFY: "to",
    Stage.UNDO: "from",
    Stage.VERIFY_UNDO: "from",
}
BEFORE = ("units", "installed", "auto", "failed", "services", "listeners")


@dataclass(frozen=True)
class Asked:
    """A question to one host: stage, work, the package changes of its cohort, and probes in their
    order.
    """

    stage: Stage
    work: HostWork
    transitions: Sequence[Transition]
    probes: Sequence[Probe]


def judged(reply: Reply, asked: Asked) -> Reply:
    """Return the reply; where it is `ok` or `locked` and not complete, a failure that says what it
    lacks.
    """
    if reply.answer == "locked":
        lacks = _no_lock(reply, asked)
    elif reply.answer != "ok":
        return reply
    else:
        lacks = next(_lacks(reply, asked), "")
    if lacks:
        reason = f"the host's answer is not complete: {lacks}"
        return Reply(answer="failed", reason=reason, evidence=reply.evidence)
    if reply.answer == "locked":
        return reply
    if asked.stage in (Stage.PREFLIGHT, *VERIFYING):
        # They repeat the plan word for word, so they need not be stored for every host.
        reply.evidence.pop("packages", None)
    return reply


def _no_lock(reply: Reply, asked: Asked) -> str:
    """Return why a `locked` answer cannot be used, "" where it can. At apply the host must say that
    its packages were not touched, since it is put off then.
    """
    if asked.stage not in LOCKABLE:
        return f"nothing can be locked at {asked.stage.value}"
    if not reply.evidence.get("locks"):
        return "who holds the lock"
    if asked.stage is Stage.APPLY and reply.evidence.get("touched") is not False:
        return "whether its packages were touched"
    return ""


def _lacks(reply: Reply, asked: Asked) -> Iterator[str]:
    """Return what is missing in the answer or contradicts it, the most important first."""
    evidence, stage = reply.evidence, asked.stage
    checks = evidence.get("checks", ())
    rows = {check["name"] for check in checks}
    again = AGAIN.get(stage)
    repeated = again is not None and again <= rows
    wanted = again if repeated and again is not None else CHECKS[_like(stage)]
    yield from (f"check {check['name']} failed" for check in checks if not check["ok"])
    yield from (f"check {name} is missing" for name in sorted(wanted - rows))
    if stage is not Stage.RELEASE and "boot" not in evidence:
        yield "it does not say which boot it is"
    if not repeated:
        yield from _packages(evidence, asked)
        yield from _probes(reply, asked)
    match stage:
        case Stage.PREFLIGHT if asked.work.check and evidence.get("holds") is not False:
            yield "it does not say that the check left it free"
        case Stage.PREFLIGHT if asked.work.check:
            pass
        case _ if stage in MUST_HOLD and evidence.get("holds") is not True:
            yield "it does not say that this run holds it"
        case Stage.RELEASE if evidence.get("holds") is not False:
            yield "it does not say that it is free"
        case Stage.APPLY if evidence.get("code") != 0:
            yield "the package manager's exit code"
        case Stage.APPLY if "reboot_required" not in evidence:
            yield "whether a reboot is wanted"
        case Stage.REBOOT if _same_boot(evidence, asked.work):
            yield "it is still the boot of before"
        case _:
            pass
    if stage is Stage.PREPARE:
        yield from _before(evidence, repeated=repeated)
        yield from _old(evidence, asked)
    counts = stage in VERIFYING or (stage is Stage.RESTART and _counted(asked))
    if counts and not _count(evidence, "processes"):
        yield "processes that were looked at"
    if stage in VERIFYING:
        yield from _compared(evidence, asked)


def _counted(asked: Asked) -> bool:
    """Return whether the results that the host stored have counts. Those of a run that an older
    patchctl prepared have none, and such a run may still go on.
    """
    return asked.work.before is not None


def _like(stage: Stage) -> Stage:
    return Stage.VERIFY if stage is Stage.VERIFY_UNDO else stage


def _count(evidence: Mapping[str, Any], name: str) -> int | None:
    count = evidence.get("asked", {}).get(name)
    return count if isinstance(count, int) else None


def _packages(evidence: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    expected = PLACES.get(asked.stage)
    if expected is None:
        return
    reported = {(row["package"], row["arch"]): row["place"] for row in evidence.get("packages", ())}
    planned = {(transition.package, transition.arch) for transition in asked.transitions}
    if len(evidence.get("packages", ())) != len(asked.transitions) or reported.keys() != planned:
        yield f"{len(reported.keys() & planned)} of {len(planned)} planned packages"
    recorded = asked.stage in JOBS and not _counted(asked)
    if _count(evidence, "packages") != len(asked.transitions) and not recorded:
        yield "how many packages were looked at"
    yield from (
        f"package {name} is {state} where it must be {expected}"
        for (name, _), state in reported.items()
        if state != expected
    )


def _probes(reply: Reply, asked: Asked) -> Iterator[str]:
    if asked.stage not in (Stage.PREPARE, *VERIFYING):
        return
    for number, probe in enumerate(asked.probes, start=1):
        result = reply.probes.get(number)
        good = {"ok"} | ({"note"} if asked.stage is Stage.VERIFY_UNDO else set())
        if probe.packages:  # only the host knows whether it has one of them
            good.add("skipped")
        if result not in good:
            yield f"probe {probe.name}"


def _before(evidence: Mapping[str, Any], *, repeated: bool) -> Iterator[str]:
    counts = evidence.get("before", {})
    if repeated and not counts:  # prepared by a patchctl that did not count
        return
    yield from (
        f"how many {name} there are before the update" for name in BEFORE if name not in counts
    )
    if not counts.get("installed") or not counts.get("listeners"):
        yield "what is installed and what listens before the update"


def _old(evidence: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    """Return each old version that an undo needs and the host lacks. None where the check `undo`
    has a note: then the policy allows that some are missing.
    """
    if any(row["name"] == "undo" and row.get("note") for row in evidence.get("checks", ())):
        return
    stored = Counter(row["package"] for row in evidence.get("old", ()))
    needed = Counter(
        transition.package
        for transition in asked.transitions
        if transition.action is not Action.NEW
    )
    if needed - stored:
        yield f"the old version of {min(needed - stored)}"


def _same_boot(evidence: Mapping[str, Any], work: HostWork) -> bool:
    boot = evidence.get("boot", {})
    return work.boot is not None and (boot.get("boot_id"), boot.get("pid1_start")) == (
        work.boot.boot_id,
        work.boot.pid1_start,
    )


def _compared(evidence: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    before = asked.work.before
    if before is None:  # an older patchctl prepared the host, and did not count
        return
    if evidence.get("before") != before:
        yield "the state before the update, as it was written down"
    skipped = Action.REMOVE if asked.stage is Stage.VERIFY else Action.NEW
    marks = sum(transition.action is not skipped for transition in asked.transitions)
    wanted = {"marks": marks, "listeners": before["listeners"]}
    if before["units"]:
        wanted["services"] = before["services"]
        if not _count(evidence, "units"):
            yield "units that were looked at"
    yield from _counts(evidence, wanted.items())


def _counts(evidence: Mapping[str, Any], wanted: Iterable[tuple[str, int]]) -> Iterator[str]:
    for name, number in wanted:
        if _count(evidence, name) != number:
            yield f"{_count(evidence, name) or 0} of {number} {name} were compared"
