"""Show runs to people. Pure: models to lines."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.exclusions import Exclusion
from ..models.journal import CommandKind
from ..models.plan import CouldNotLook, LeftOut, Plan, Undo
from ..models.policy import Amount, Promote
from ..models.rollout import HostState, Result, RingState, RunState
from ..models.run_list import ListedRun
from ..models.run_status import Blocker, EditedFile, HostStatusLine, LeaseKind, RunStatus
from ..models.states import (
    COUNTED,
    HARMLESS,
    MAY_BE_CHANGED,
    MAY_RETRY,
    OVER,
    RETRIED,
    TROUBLE,
    UNDOING,
)
from ..models.words import count, moment, more, short, some
from .could_not_look_lines import could_not_look
from .plan_code_lines import code
from .plan_view import not_planned, nothing_planned
from .run_endings import counts as counts
from .run_endings import ending_word, new_plan_step, soak_steps, times, took
from .run_endings import headline as headline
from .state_words import run_word, state_word
from .view import Aside, Lines, Note, Part, Table, Title, View, all_notes, whole

# How many hosts of a long list are named.
_NAMES = 4
# In a run with more hosts than this, only hosts that did not succeed are shown.
_TABLE = 50
_REQUESTS = {CommandKind.APPROVE: "approval", CommandKind.PROMOTE: "promotion"}


def blockers(status: RunStatus) -> list[str]:
    """Return what stops the run, one line each. Empty where the headline says it already."""
    told = [_told(blocker) for blocker in status.blockers]
    if told in ([], [status.reason]):
        return []
    kinds = [blocker.kind.value for blocker in status.blockers]
    lines = (f"  {kind:<9} {said}" for kind, said in zip(kinds, told, strict=True))
    return ["may not go on yet:", *lines]


def _told(blocker: Blocker) -> str:
    what = f": {', '.join(blocker.details)}" if blocker.details else ""
    end = moment(blocker.until // 1000) if blocker.until is not None else ""
    until = f", until {end}" if end and end not in blocker.reason else ""
    return f"{blocker.reason}{what}{until}"


def leased(status: RunStatus) -> str:
    """Return how many hosts the run holds or reserves, so that no other run takes them; "" for
    none.
    """
    kinds = Counter(host.lease for host in status.hosts)
    held, reserved = kinds[LeaseKind.HELD], kinds[LeaseKind.RESERVED]
    told = [f"holds {count(held, 'host')}"] if held else []
    if reserved:
        told.append(f"reserves {count(reserved, 'host')} that it has not begun")
    return ", ".join(told)


def next_step(status: RunStatus) -> str:
    """Return the command that an operator probably needs next, or ""."""
    again = _retry(status)
    if status.state in OVER:
        put_off = _deferred(status) if status.state is RunState.DONE else ""
        ask = f"ask {put_off} again: patchctl rollout resume {status.run}\n" if put_off else ""
        retry = again if status.state in MAY_RETRY else ""
        return f"{ask}{retry}{new_plan_step(status)}".rstrip()
    match status.state:
        case RunState.HALTED:
            undo = f"undo what it changed:    patchctl rollback {status.run}\n"
            return (
                f"{undo if any(map(_changed, status.hosts)) else ''}"
                f"{again}"
                f"{_in_spite(status)} patchctl rollout resume {status.run} --accept-failures\n"
                f"leave it as it is:       patchctl rollout abort {status.run}"
            )
        case RunState.WAITING:
            asked = any(r.state is RingState.WAITING and not r.approved for r in status.rings)
            approve = f"patchctl rollout approve {status.run}" if asked else ""
            carry = "" if status.controller else f"patchctl rollout resume {status.run}"
            steps = ", then ".join(filter(None, (approve, carry)))
            return f"let it go on: {steps}" if steps else ""
        case RunState.SOAKING:
            return "\n".join(soak_steps(status))
        case RunState.NEEDS_HUMAN:
            return (
                "fix these hosts by hand, then try again with"
                f" `patchctl rollback {status.run}` (--force undoes what is unsafe, too);"
                f" `patchctl rollout abort {status.run}` lets other runs have them"
            )
        case _:
            return "" if status.controller else f"go on with `patchctl rollout resume {status.run}`"


def _in_spite(status: RunStatus) -> str:
    """Return the words before the command that goes on: in spite of failures, or after all were
    fixed. A deferred host may have failed before, and nobody knows whether it is fixed.
    """
    unsure = any(host.state in COUNTED | {HostState.DEFERRED} for host in status.hosts)
    return "continue anyway:        " if unsure else "all are fixed, go on:  "


def host_state(status: RunStatus, host: HostStatusLine) -> str:
    """Return a host's state, and the number of its attempt where it was tried again."""
    again = host.attempt > 1 and status.state not in UNDOING
    return f"{state_word(host.state)}{f' (attempt {host.attempt})' if again else ''}"


def _retry(status: RunStatus) -> str:
    """Return a line with the command that tries hosts again, "" where there are none. After the
    run's end deferred hosts do not count: `resume` asks them again.
    """
    states = {host.state for host in status.hosts}
    if status.state in OVER:
        states.discard(HostState.DEFERRED)
    again = states & RETRIED
    return f"try fixed hosts again: patchctl rollout retry {status.run}\n" if again else ""


def config_files(status: RunStatus, limit: int = 10) -> list[str]:
    """Return the configuration files that the update did not replace, with the path of the
    package's version, then those that it changed, each with its hosts.
    """
    hosts: dict[tuple[bool, str, str], list[str]] = defaultdict(list)
    for host in status.hosts:
        for file in host.config:
            hosts[not file.beside, file.path, file.beside].append(host.name)
    lines = [
        f"  {path} changed on {some(names, _NAMES)}"
        if changed
        else f"  {path} kept on {some(names, _NAMES)}; the package's is {beside}"
        for (changed, path, beside), names in sorted(hosts.items())
    ]
    return _first("configuration files:", lines, limit)


def waiting(status: RunStatus, limit: int = 10) -> list[str]:
    """Return where the update has no effect yet: hosts that wait for a reboot, processes that run
    old code.
    """
    lines = []
    if reboots := [host.name for host in status.hosts if host.reboot_required]:
        lines.append(f"  reboot: {some(reboots, _NAMES)}")
    hosts: dict[str, list[str]] = defaultdict(list)
    for host in status.hosts:
        for name in host.old_code:
            hosts[name].append(host.name)
    lines += [
        f"  {name} on old code: {some(names, _NAMES)}" for name, names in sorted(hosts.items())
    ]
    return _first("waits for a restart or a reboot:", lines, limit)


def _first(title: str, lines: list[str], limit: int) -> list[str]:
    return [title, *_cut(lines, limit)] if lines else []


def _cut(lines: Sequence[str], limit: int) -> list[str]:
    rest = [f"  {more(len(lines) - limit)} (-o json has all)"] if len(lines) > limit else []
    return [*lines[:limit], *rest]


def _deferred(status: RunStatus) -> str:
    """Return a line with the hosts that were put off, "" where there are none."""
    names = [host.name for host in status.hosts if host.state is HostState.DEFERRED]
    return names[0] if len(names) == 1 else f"the {len(names)} deferred hosts" if names else ""


def left_behind(status: RunStatus, limit: int = 10) -> list[str]:
    """Return what is left on hosts for a person to handle: files that an undo did not touch, claims
    that could not be released.
    """
    lines = []
    for host in status.hosts:
        lines += [f"  {host.name}: {_edited(file)}" for file in host.edited]
        if host.holds:
            lines.append(
                f"  {host.name}: still holds what the run took there; when it can be reached:"
                f" patchctl host clean {host.name}"
            )
    return _cut(lines, limit)


def _edited(file: EditedFile) -> str:
    if file.gone:
        return f"{file.path} went with its package; as it was edited: {file.copy}"
    copy = f"; as it was before: {file.copy}" if file.copy else ""
    return f"{file.path} was edited after the update and stays{copy}"


def _changed(host: HostStatusLine) -> bool:
    """Return whether the run may have changed this host in a way that is not undone."""
    if host.state is HostState.FAILED:
        return host.stage not in HARMLESS
    return host.state in MAY_BE_CHANGED


def trouble(status: RunStatus, limit: int = 10) -> list[str]:
    """Return the hosts that did not succeed, grouped by their reasons, the worst first."""
    groups: dict[tuple[str, str, str], list[HostStatusLine]] = defaultdict(list)
    for host in status.hosts:
        if host.state in TROUBLE:
            groups[(host.state.value, host.stage, host.reason)].append(host)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = []
    for (state, stage, reason), hosts in ranked[:limit]:
        names = some((host.name for host in hosts), _NAMES)
        at = f" at {stage}" if stage and state != "skipped" else ""
        lines.append(
            f"  {names}: {run_word(state)}{at}: {reason}"
            if reason
            else f"  {names}: {run_word(state)}"
        )
    if len(ranked) > limit:
        lines.append(f"  {more(len(ranked) - limit, 'reason')}")
    return lines


def describe(value: Amount) -> str:
    """Return `5` or `5 %`."""
    return f"{value.percent}%" if value.percent is not None else f"{value.hosts or 0}"


def before(plan: Plan) -> list[str]:
    """Return what a person should know before they start the run: rings, packages, updates that
    cannot be undone, what could not be looked at, and what code it runs.
    """
    body = plan.body
    sizes = Counter(host.ring for host in body.hosts)
    waves = {host.ring: 0 for host in body.hosts}
    for host in body.hosts:
        waves[host.ring] = max(waves[host.ring], host.wave)
    packages = {(t.package, t.to) for cohort in body.cohorts for t in cohort.transitions}
    lines = [
        f"plan {short(plan.digest)}: {count(len(body.hosts), 'host')},"
        f" {count(len(packages), 'package update')}"
    ]
    for ring in body.rings:
        if sizes[ring.name]:
            several = f" in {waves[ring.name]} waves" if waves[ring.name] > 1 else ""
            manual = ", waits for an approval" if ring.promote is Promote.MANUAL else ""
            lines.append(
                f"  {ring.name}: {count(sizes[ring.name], 'host')}{several},"
                f" budget {describe(ring.budget)}, worst case {ring.worst_case(sizes[ring.name])}"
                f"{manual}"
            )
    unsafe = sorted(
        {t.package for c in body.cohorts for t in c.transitions if t.undo is Undo.UNSAFE}
    )
    if unsafe:
        lines.append(f"  not undone by itself if it fails: {', '.join(unsafe)}")
    told = (*could_not_look(body.could_not_look), *code(body))
    return [*lines, *(f"  {line}" for line in told)]


# --- views --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunView(View):
    """`rollout status`, and the end of every run: its rings, then the hosts that need attention."""

    status: RunStatus

    def data(self) -> dict[str, Any]:
        """All fields of the status."""
        shown = {name: getattr(self.status, name) for name in self.status.__struct_fields__}
        return {**shown, "exclusions": whole(self.status.exclusions)}

    def parts(self) -> Iterator[Part]:
        """The state and its reason, rings and hosts, what waits for a person, and the next step."""
        status = self.status
        yield Title(headline(status))
        yield Lines(filter(None, [times(status)]))
        yield Lines(blockers(status))
        yield self._rings()
        yield Lines(filter(None, [leased(status)]))
        yield self._hosts() if len(status.hosts) <= _TABLE else Lines(trouble(status))
        yield Lines(could_not_look(status.could_not_look))
        yield Lines(config_files(status))
        yield Lines(waiting(status))
        yield Lines(left_behind(status))
        yield Lines(next_step(status).splitlines())

    def _rings(self) -> Table:
        rows = (
            (
                ring.name,
                ending_word(ring.state, ring.result),
                str(sum(ring.hosts.values())),
                counts(ring.hosts),
            )
            for ring in self.status.rings
        )
        return Table(("RING", "STATE", "HOSTS", ""), rows)

    def _hosts(self) -> Table:
        rows = (
            (host.name, host.ring, host_state(self.status, host), host.stage, host.reason)
            for host in self.status.hosts
        )
        return Table(("HOST", "RING", "STATE", "STAGE", "REASON"), rows)


@dataclass(frozen=True)
class RunsView(View):
    """`rollout list`."""

    runs: Sequence[ListedRun]

    def data(self) -> dict[str, Any]:
        """All runs, newest first."""
        return {"runs": self.runs}

    def parts(self) -> Iterator[Part]:
        """A row a run: what came of it, or where it stands, hosts, when it began, how long it took,
        who began it."""
        rows = (
            (
                run.id,
                ending_word(run.state, run.result),
                str(run.hosts),
                str(run.succeeded),
                str(run.failed),
                str(run.skipped),
                moment(run.created),
                took(run.started, run.ended),
                run.by,
                short(run.plan),
            )
            for run in self.runs
        )
        counted = ("HOSTS", "OK", "FAILED", "SKIPPED")
        yield Table(("RUN", "RESULT", *counted, "CREATED", "TOOK", "BY", "PLAN"), rows)


@dataclass(frozen=True)
class RequestView(View):
    """A request to a run. Its controller handles the request; without a live controller `status` is
    the present state of the run.
    """

    run: str
    command: CommandKind
    status: RunStatus | None

    def data(self) -> dict[str, Any]:
        """The request, and whether a live controller will handle it."""
        lives = self.status is None
        return {"run": self.run, "command": self.command.value, "controller": lives}

    def parts(self) -> Iterator[Part]:
        """When it takes effect, or the next step."""
        if self.status is None:
            recorded = f"{_REQUESTS.get(self.command, self.command.value)} recorded"
            yield Note(f"run {self.run}: {recorded}; the running rollout picks it up", kept=True)
        else:
            said = (headline(self.status), *next_step(self.status).splitlines())
            yield from all_notes(said, kept=True)


@dataclass(frozen=True)
class NothingToRollOutView(View):
    """A rollout in which no host has anything to do, and the exit code of the verb."""

    exit_code: int
    left_out: Sequence[LeftOut]
    could_not_look: Sequence[CouldNotLook]
    exclusions: Sequence[Exclusion]
    all_looked_at: bool

    @property
    def _why(self) -> str:
        rows = self.could_not_look
        return nothing_planned(rows, self.left_out, all_looked_at=self.all_looked_at)

    def data(self) -> dict[str, Any]:
        """The fields of a run without hosts."""
        return {
            "run": None,
            "plan": None,
            "state": (RunState.HALTED if self.exit_code else RunState.DONE).value,
            "result": (Result.SKIPPED if self.exit_code else Result.NOTHING_TO_DO).value,
            "created": None,
            "started": None,
            "ended": None,
            "soak_until": None,
            "reason": self._why,
            "rings": [],
            "hosts": [],
            "blockers": [],
            "could_not_look": self.could_not_look,
            "left_out": whole(self.left_out),
            "exclusions": whole(self.exclusions),
        }

    def parts(self) -> Iterator[Part]:
        """Why there is nothing to do."""
        yield Lines(not_planned(self.could_not_look, self.left_out))
        yield Note(self._why, kept=True)


@dataclass(frozen=True)
class QuestionView(Aside):
    """The text before the question whether to roll a plan out."""

    plan: Plan

    def parts(self) -> Iterator[Part]:
        """Rings, packages and the code that it runs."""
        yield from all_notes(before(self.plan), kept=True)
