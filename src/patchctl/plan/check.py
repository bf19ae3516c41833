"""Check that a plan is complete and sane, each time one is read and before anything uses it.

A digest proves that a body was not changed after it was sealed. It proves neither who sealed it nor
that it makes sense: everybody who can write a file can seal any content. A plan that passes these
checks crashes no reader, and hands no word outside of the grammar to a shell, a path or a template.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from ..errors import InvalidInputError
from ..models import grammar
from ..models.facts import PackageManager
from ..models.plan import (
    Action,
    Artifact,
    Cohort,
    HookFile,
    HookMode,
    Plan,
    PlanBody,
    PlannedHost,
    Transition,
)
from ..models.policy import Amount, Probe, RingPolicy
from ..models.words import count
from .cohorts import ident
from .waves import at_once

# 9999-12-31 23:59:59 UTC, the last moment that datetime can hold.
_LAST_SECOND = 253_402_300_799
_LARGEST_FILE = 10**15
_SECONDS = (
    "soak_s",
    "transaction_timeout_s",
    "verify_timeout_s",
    "reboot_timeout_s",
    "drain_timeout_s",
    "lock_wait_s",
)


class _Wrong(Exception):
    """A value of the plan is wrong: where it is, and why. Caught in this module."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


def check(plan: Plan, where: str) -> None:
    """Raise InvalidInputError for the first value of the plan that cannot be right.

    `where` names the plan's source in the error. The digest is not checked here.
    """
    try:
        _within("about.created", plan.about.created, _LAST_SECOND)
        _body(plan.body)
    except _Wrong as wrong:
        raise InvalidInputError(
            str(wrong), where=where, hint="make a new plan with `patchctl plan create`"
        ) from wrong


def _body(body: PlanBody) -> None:
    _within("body.as_of", body.as_of, _LAST_SECOND)
    _within("body.expires", body.expires, _LAST_SECOND)
    if not body.as_of <= body.expires <= body.as_of + grammar.LONGEST_S:
        raise _Wrong("body.expires", "is before `as_of`, or more than ten years after it")
    _word("body.fleet", "digest", body.fleet)
    _word("body.policy", "digest", body.policy)
    for index, snapshot in enumerate(body.snapshots):
        _word(f"body.snapshots[{index}].host", "host", snapshot.host)
        _word(f"body.snapshots[{index}].facts", "address of facts", snapshot.facts)
    _unique("body.snapshots", "host", (snapshot.host for snapshot in body.snapshots))
    for index, ring in enumerate(body.rings):
        _ring(f"body.rings[{index}]", ring)
    _unique("body.rings", "name", (ring.name for ring in body.rings))
    for index, cohort in enumerate(body.cohorts):
        _cohort(f"body.cohorts[{index}]", cohort)
    _unique("body.cohorts", "id", (cohort.id for cohort in body.cohorts))
    _hosts(body)
    _outside(body)
    _exclusions(body)
    _hooks(body)


# --- rings --------------------------------------------------------------------------------------


def _ring(here: str, ring: RingPolicy) -> None:
    _word(f"{here}.name", "ring", ring.name)
    _amount(f"{here}.budget", ring.budget, least=0)
    _amount(f"{here}.max_concurrent", ring.max_concurrent, least=1)
    for name in _SECONDS:
        _within(f"{here}.{name}", getattr(ring, name), grammar.LONGEST_S)
    for name in ("drain", "undrain"):
        hook = getattr(ring, name)
        if hook and (problem := grammar.hook_problem(hook)):
            raise _Wrong(f"{here}.{name}", f"{_shown(hook)} {problem}")
        _sees(f"{here}.{name}_sees", hook, getattr(ring, f"{name}_sees"))
    for index, probe in enumerate(ring.probes):
        _probe(f"{here}.probes[{index}]", probe)
    _unique(f"{here}.probes", "name", (probe.name for probe in ring.probes))


def _sees(here: str, hook: str, groups: tuple[str, ...]) -> None:
    if groups and not hook:
        raise _Wrong(here, "there is no hook that sees them")
    for index, group in enumerate(groups):
        if problem := grammar.group_problem(group):
            raise _Wrong(f"{here}[{index}]", problem)
    _unique(here, "group", groups)


def _amount(here: str, amount: Amount, *, least: int) -> None:
    if (amount.hosts is None) == (amount.percent is None):
        raise _Wrong(here, "is either a number of hosts or a percentage")
    if amount.percent is not None:
        _within(f"{here}.percent", amount.percent, 100, least)
    else:
        _within(f"{here}.hosts", amount.hosts or 0, grammar.MOST, least)


def _probe(here: str, probe: Probe) -> None:
    if problem := grammar.target_problem(probe.kind, probe.target):
        raise _Wrong(f"{here}.target", problem)
    if "\0" in probe.expect:
        raise _Wrong(f"{here}.expect", "has a character that no shell can hold")
    _within(f"{here}.within_s", probe.within_s, grammar.LONGEST_S)
    for index, package in enumerate(probe.packages):
        _word(f"{here}.packages[{index}]", "package", package)


# --- cohorts ------------------------------------------------------------------------------------


def _cohort(here: str, cohort: Cohort) -> None:
    if cohort.manager is PackageManager.NONE:
        raise _Wrong(f"{here}.manager", "names no package manager")
    if not cohort.transitions:
        raise _Wrong(f"{here}.transitions", "is empty")
    for index, transition in enumerate(cohort.transitions):
        _transition(f"{here}.transitions[{index}]", transition)
    _unique(
        f"{here}.transitions",
        "step",
        (
            f"{transition.package} {transition.arch} {transition.from_} {transition.to}"
            for transition in cohort.transitions
        ),
    )
    size = sum(
        transition.file.size for transition in cohort.transitions if transition.file is not None
    )
    if cohort.download_bytes != size:
        raise _Wrong(f"{here}.download_bytes", f"is not {size}, the sum of its files")
    if cohort.id != ident(cohort.manager, cohort.transitions):
        raise _Wrong(f"{here}.id", f"{_shown(cohort.id)} is not that of its content")


def _transition(here: str, transition: Transition) -> None:
    _word(f"{here}.package", "package", transition.package)
    _word(f"{here}.arch", "architecture", transition.arch)
    _version(f"{here}.from", transition.from_, wanted=transition.action is not Action.NEW)
    _version(f"{here}.to", transition.to, wanted=transition.action is not Action.REMOVE)
    if transition.file is not None:
        _file(f"{here}.file", transition.file)
    if (transition.file is None) != (transition.action is Action.REMOVE):
        what = "is missing" if transition.file is None else "comes with a removal"
        raise _Wrong(f"{here}.file", what)


def _version(here: str, version: str, *, wanted: bool) -> None:
    if wanted:
        _word(here, "version", version)
    elif version:
        raise _Wrong(here, f"{_shown(version)} does not go with the action")


def _file(here: str, file: Artifact) -> None:
    _word(f"{here}.name", "file", file.name)
    _word(f"{here}.sha256", "sha256", file.sha256)
    _within(f"{here}.size", file.size, _LARGEST_FILE)


# --- hosts --------------------------------------------------------------------------------------


def _hosts(body: PlanBody) -> None:
    rings = {ring.name: ring for ring in body.rings}
    cohorts = {cohort.id for cohort in body.cohorts}
    waves: dict[str, Counter[int]] = {}
    _unique("body.hosts", "name", (host.name for host in body.hosts))
    for index, host in enumerate(body.hosts):
        _host(f"body.hosts[{index}]", host, rings, cohorts)
        waves.setdefault(host.ring, Counter())[host.wave] += 1
    for ring, sizes in waves.items():
        if sorted(sizes) != list(range(1, len(sizes) + 1)):
            raise _Wrong("body.hosts", f"the waves of ring {ring} are not 1, 2, … without a hole")
        most = at_once(rings[ring].max_concurrent, sizes.total())
        if (largest := max(sizes.values())) > most:
            raise _Wrong(
                "body.hosts",
                f"ring {ring} has {count(largest, 'host')} in a wave, more than its {most}",
            )
    if unused := cohorts - {host.cohort for host in body.hosts}:
        raise _Wrong("body.cohorts", f"no host is in cohort {min(unused)}")


def _host(here: str, host: PlannedHost, rings: Mapping[str, RingPolicy], cohorts: set[str]) -> None:
    _word(f"{here}.name", "host", host.name)
    if host.ring not in rings:
        raise _Wrong(f"{here}.ring", f"the plan has no ring {_shown(host.ring)}")
    if host.cohort not in cohorts:
        raise _Wrong(f"{here}.cohort", f"the plan has no cohort {_shown(host.cohort)}")
    _within(f"{here}.wave", host.wave, grammar.MOST, least=1)
    _within(f"{here}.expected_s", host.expected_s, _LARGEST_FILE)
    if host.machine_id:
        _word(f"{here}.machine_id", "machine-id", host.machine_id)


# --- the rest -----------------------------------------------------------------------------------


def _outside(body: PlanBody) -> None:
    """Check the lists beside the transitions that name hosts and packages."""
    for index, line in enumerate(body.left_out):
        _word(f"body.left_out[{index}].host", "host", line.host)
    for index, look in enumerate(body.could_not_look):
        _word(f"body.could_not_look[{index}].host", "host", look.host)
    ring_of = {host.name: host.ring for host in body.hosts}
    rings = {ring.name for ring in body.rings}
    for index, gap in enumerate(body.unproven):
        here = f"body.unproven[{index}]"
        if gap.ring not in rings:
            raise _Wrong(f"{here}.ring", f"the plan has no ring {_shown(gap.ring)}")
        _word(f"{here}.package", "package", gap.package)
        _word(f"{here}.arch", "architecture", gap.arch)
        _version(f"{here}.from", gap.from_, wanted=bool(gap.from_))
        _version(f"{here}.to", gap.to, wanted=bool(gap.to))
        for name in gap.hosts:
            if ring_of.get(name) != gap.ring:
                what = f"host {_shown(name)} is not in ring {gap.ring} of the plan"
                raise _Wrong(f"{here}.hosts", what)
    for index, feed in enumerate(body.feeds):
        _within(f"body.feeds[{index}].entries", feed.entries, _LARGEST_FILE)
    _unique("body.urgent", "cve", (vulnerability.cve for vulnerability in body.urgent))


def _exclusions(body: PlanBody) -> None:
    for index, rule in enumerate(body.exclusions):
        here = f"body.exclusions[{index}]"
        if not rule.packages:
            raise _Wrong(f"{here}.packages", "is empty")
        for pattern in rule.packages:
            _word(f"{here}.packages", "package pattern", pattern)
        for name in rule.hosts:
            _word(f"{here}.hosts", "host", name)


def _hooks(body: PlanBody) -> None:
    for index, file in enumerate(body.hooks):
        _hook_file(f"body.hooks[{index}]", file)
    _unique("body.hooks", "path", (file.path for file in body.hooks))
    if not body.hooks:
        return
    tops = {grammar.path_parts(file.path)[0] for file in body.hooks}
    for name in body.hook_names:
        if grammar.path_parts(name)[0] not in tops:
            raise _Wrong("body.hooks", f"there is no digest of {name}")
    if not body.hook_names:
        raise _Wrong("body.hooks", "no ring has a hook")


def _hook_file(here: str, file: HookFile) -> None:
    if problem := grammar.path_problem(file.path):
        raise _Wrong(f"{here}.path", f"{_shown(file.path)} {problem}")
    if file.mode is not HookMode.LINK:
        _word(f"{here}.sha256", "sha256", file.sha256)
    if (file.mode is HookMode.LINK) != bool(file.target) or (file.sha256 and file.target):
        raise _Wrong(f"{here}.target", "a link has a target and no hash, any other file the hash")


# --- words and numbers --------------------------------------------------------------------------


def _word(here: str, kind: str, text: str) -> None:
    if not grammar.fits(kind, text):
        raise _Wrong(here, f"{_shown(text)} is no {kind}")


def _within(here: str, number: int, most: int, least: int = 0) -> None:
    if not least <= number <= most:
        raise _Wrong(here, f"is not from {least} to {most}")


def _unique(here: str, what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise _Wrong(here, f"{what} {_shown(value)} is listed twice")
        seen.add(value)


def _shown(text: str) -> str:
    """Return the text shortened, on one line, and without control characters for a terminal."""
    return ascii(text if len(text) <= 80 else text[:79] + "…")
