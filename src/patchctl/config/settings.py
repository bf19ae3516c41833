"""Read patchctl.yml into Settings."""

import re
from pathlib import Path
from typing import Annotated, Any, NewType

from msgspec import Meta

from ..models import grammar
from ..models.base import Record
from ..models.feeds import FEED_NAME, Stale
from ..models.policy import (
    Amount,
    OnFailure,
    Probe,
    ProbeKind,
    Promote,
    RebootPolicy,
    RingPolicy,
    RollbackReady,
    StaleLists,
    UnprovenPolicy,
    UpdaterPolicy,
)
from ..models.priority import PriorityPolicy, Profile, Sla
from ..models.settings import (
    AnsibleSettings,
    Assignment,
    FeedSettings,
    FeedSource,
    Rule,
    Settings,
    Share,
    Shares,
)
from . import exclude_entries, hook_entries
from .document import Document, Reader, suggest
from .exclude_entries import ExcludeEntry
from .hook_entries import HookEntry

FILE_NAME = "patchctl.yml"

Seconds = NewType("Seconds", int)
Percent = NewType("Percent", int)
RingName = NewType("RingName", str)
Count = Annotated[int, Meta(ge=1, le=1000)]

DAY = 86_400


class RingEntry(Record):
    """A ring as written. None stands for the default, which depends on its position."""

    name: RingName
    budget: Amount | None = None
    max_concurrent: Amount | None = None
    soak: Seconds | None = None
    promote: Promote | None = None
    reboot: RebootPolicy = RebootPolicy.NEVER
    on_failure: OnFailure = OnFailure.ROLLBACK


class SharesEntry(Record):
    """Shares as written. `rest` has a key for each ring: `staging: 5`."""

    seed: str
    stratum: tuple[str, ...] = ()
    rest: dict[str, Percent] = {}


class AssignEntry(Record):
    rules: tuple[Rule, ...] = ()
    shares: SharesEntry | None = None


class PolicyEntry(Record):
    rollback_ready: RollbackReady = RollbackReady.REQUIRE
    updaters: UpdaterPolicy = UpdaterPolicy.REFUSE
    unproven: UnprovenPolicy = UnprovenPolicy.HOLD
    allow_removals: bool = False
    undo_safe: tuple[str, ...] = ()
    stale_lists: StaleLists = StaleLists.HOLD
    lists_max_age: Seconds = Seconds(2 * DAY)
    exclude: tuple[ExcludeEntry, ...] = ()
    plan_expires: Seconds = Seconds(14 * DAY)
    transaction_timeout: Seconds = Seconds(3600)
    verify_timeout: Seconds = Seconds(120)
    reboot_timeout: Seconds = Seconds(600)
    drain_timeout: Seconds = Seconds(300)
    lock_wait: Seconds = Seconds(120)
    discovery_timeout: Seconds = Seconds(60)


class ProbeEntry(Record):
    name: str
    kind: ProbeKind
    target: str
    expect: str = ""
    within: Seconds = Seconds(30)
    groups: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


class HooksEntry(Record):
    drain: HookEntry | None = None
    undrain: HookEntry | None = None


class AnsibleEntry(Record):
    user: str = ""
    private_key: str = ""
    forks: Count = 25
    connect_timeout: Seconds = Seconds(10)
    become_password_file: str = ""
    vault_password_file: str = ""
    vault_ids: tuple[str, ...] = ()


class FeedSourceEntry(Record):
    name: str
    address: str = ""
    enabled: bool = True
    max_age: Seconds | None = None


class FeedsEntry(Record):
    mirror: str = ""
    ecosystems: tuple[str, ...] = ()
    max_age: Seconds = Seconds(7 * DAY)
    stale: Stale = Stale.WARN
    sources: tuple[FeedSourceEntry, ...] = ()


class SlaEntry(Record):
    critical: Seconds = Seconds(Sla().critical * DAY)
    high: Seconds = Seconds(Sla().high * DAY)
    medium: Seconds = Seconds(Sla().medium * DAY)
    low: Seconds = Seconds(Sla().low * DAY)


class AssessmentEntry(Record):
    profiles: tuple[Profile, ...] = PriorityPolicy().profiles
    sla: SlaEntry = SlaEntry()


class File(Record):
    """The whole file as written."""

    rings: tuple[RingEntry, ...] | None = None
    assign: AssignEntry = AssignEntry()
    inventory: tuple[str, ...] = ("inventory/",)
    policy: PolicyEntry = PolicyEntry()
    probes: tuple[ProbeEntry, ...] = ()
    hooks: HooksEntry = HooksEntry()
    ansible: AnsibleEntry = AnsibleEntry()
    feeds: FeedsEntry = FeedsEntry()
    assessment: AssessmentEntry = AssessmentEntry()
    state: str = ".patchctl"


def load(path: Path) -> Settings:
    """Return the settings of a patchctl.yml. An empty file gives the defaults.

    Raises InvalidInputError with one line for each mistake, with file and line.
    """
    document = Document.open(path)
    entries = document.decode(File, _READERS)
    if entries is None:
        document.check()
        raise AssertionError("a file without problems has entries")
    rings = entries.rings if entries.rings is not None else _DEFAULT_RINGS
    _check_rings(document, rings)
    _check_assignment(document, entries.assign, [ring.name for ring in rings])
    _check_files(document, entries, path.parent)
    exclude_entries.check(document, entries.policy.exclude)
    _check_feeds(document, entries.feeds)
    _check_assessment(document, entries.assessment)
    document.check()
    return Settings(
        rings=tuple(_policy(entries, rings, index) for index in range(len(rings))),
        assign=_assignment(entries.assign, rings),
        inventory=entries.inventory,
        unproven=entries.policy.unproven,
        allow_removals=entries.policy.allow_removals,
        undo_safe=entries.policy.undo_safe,
        stale_lists=entries.policy.stale_lists,
        lists_max_age_s=entries.policy.lists_max_age,
        exclude=exclude_entries.rules(entries.policy.exclude),
        plan_expires_s=entries.policy.plan_expires,
        discovery_timeout_s=entries.policy.discovery_timeout,
        ansible=_ansible(entries.ansible),
        state=entries.state,
        feeds=_feeds(entries.feeds),
        assessment=_assessment(entries.assessment),
    )


# --- values -------------------------------------------------------------------------------------

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_LONGEST = grammar.LONGEST_S


def seconds(value: Any) -> int:
    """Convert `90s`, `10m`, `1h30m` or `14d` to seconds. Raises ValueError with the reason."""
    if value == 0 and not isinstance(value, bool):
        return 0
    text = value if isinstance(value, str) else ""
    if not re.fullmatch(r"(?:[0-9]{1,9}[smhd])+", text):
        raise ValueError(f"must be a duration such as 30s, 10m, 24h or 14d, not {value!r}")
    total = sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9]+)([smhd])", text))
    if total > _LONGEST:
        raise ValueError(f"is longer than ten years: {value!r}")
    return total


def amount(value: Any) -> Amount:
    """Convert `3` or `"5%"` to an Amount. Raises ValueError with the reason."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= grammar.MOST:
        return Amount(hosts=value)
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"([0-9]{1,3})%", text)
    if match is None or int(match[1]) > 100:
        raise ValueError(f"must be a number of hosts or a percentage such as 5%, not {value!r}")
    return Amount(percent=int(match[1]))


def _percent(value: Any) -> int:
    number = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}%", value):
        number = int(value[:-1])
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 100:
        raise ValueError(f"must be a whole percentage from 0 to 100, not {value!r}")
    return number


def _ring_name(value: Any) -> str:
    if not isinstance(value, str) or not grammar.fits("ring", value):
        raise ValueError(
            f"must be a name of letters, digits, _ and -, beginning with a letter, not {value!r}"
        )
    return value


_READERS: dict[Any, Reader] = {
    Seconds: seconds,
    Amount: amount,
    Percent: _percent,
    RingName: _ring_name,
    **hook_entries.READERS,
    **exclude_entries.READERS,
}

# --- rings --------------------------------------------------------------------------------------

_DEFAULT_RINGS = tuple(
    RingEntry(name=RingName(name)) for name in ("staging", "canary", "production")
)


_NO_HOOK = HookEntry(file="")


def _policy(entries: File, rings: tuple[RingEntry, ...], index: int) -> RingPolicy:
    """Return a ring's policy. Defaults depend on its position: the last ring is production, the one
    before it proves the updates for production.
    """
    ring, after = rings[index], len(rings) - 1 - index
    last = after == 0
    policy = entries.policy
    soak = ring.soak if ring.soak is not None else (DAY if after == 1 else 0)
    drain, undrain = entries.hooks.drain or _NO_HOOK, entries.hooks.undrain or _NO_HOOK
    return RingPolicy(
        name=ring.name,
        budget=ring.budget or (Amount(percent=5) if last else Amount(hosts=0)),
        max_concurrent=ring.max_concurrent or Amount(percent=10 if last else 50),
        soak_s=soak,
        promote=ring.promote or (Promote.MANUAL if last else Promote.AUTO),
        reboot=ring.reboot,
        on_failure=ring.on_failure,
        rollback_ready=policy.rollback_ready,
        updaters=policy.updaters,
        probes=tuple(_probe(entry) for entry in entries.probes),
        drain=drain.file,
        undrain=undrain.file,
        transaction_timeout_s=policy.transaction_timeout,
        verify_timeout_s=policy.verify_timeout,
        reboot_timeout_s=policy.reboot_timeout,
        drain_timeout_s=policy.drain_timeout,
        drain_sees=drain.sees,
        undrain_sees=undrain.sees,
        lock_wait_s=policy.lock_wait,
    )


def _probe(entry: ProbeEntry) -> Probe:
    return Probe(
        name=entry.name,
        kind=entry.kind,
        target=entry.target,
        expect=entry.expect,
        within_s=entry.within,
        groups=entry.groups,
        packages=entry.packages,
    )


def _assignment(entry: AssignEntry, rings: tuple[RingEntry, ...]) -> Assignment:
    if entry.shares is None:
        return Assignment(rules=entry.rules)
    parts = tuple(
        Share(ring=ring.name, percent=entry.shares.rest[ring.name])
        for ring in rings
        if entry.shares.rest.get(ring.name)
    )
    shares = Shares(seed=entry.shares.seed, parts=parts, stratum=entry.shares.stratum)
    return Assignment(rules=entry.rules, shares=shares)


def _ansible(entry: AnsibleEntry) -> AnsibleSettings:
    return AnsibleSettings(
        user=entry.user,
        private_key=entry.private_key,
        forks=entry.forks,
        connect_timeout_s=entry.connect_timeout,
        become_password_file=entry.become_password_file,
        vault_password_file=entry.vault_password_file,
        vault_ids=entry.vault_ids,
    )


def _feeds(entry: FeedsEntry) -> FeedSettings:
    return FeedSettings(
        mirror=entry.mirror,
        ecosystems=entry.ecosystems,
        max_age_s=entry.max_age,
        stale=entry.stale,
        sources=tuple(
            FeedSource(
                name=source.name,
                address=source.address,
                enabled=source.enabled,
                max_age_s=source.max_age,
            )
            for source in entry.sources
        ),
    )


def _assessment(entry: AssessmentEntry) -> PriorityPolicy:
    days = {name: getattr(entry.sla, name) // DAY for name in _BANDS}
    return PriorityPolicy(profiles=entry.profiles, sla=Sla(**days))


# --- checks across entries ----------------------------------------------------------------------


def _check_rings(document: Document, rings: tuple[RingEntry, ...]) -> None:
    if not rings and document.clean("rings"):
        document.complain("rings", "names no ring", "leave the key out for the default rings")
    seen: set[str] = set()
    for index, ring in enumerate(rings):
        here = f"rings[{index}]"
        # Names that differ only in - and _ give the same group `ring_NAME`: Ansible allows no dash.
        group = ring.name.replace("-", "_")
        if group in seen:
            document.complain(f"{here}.name", f"{ring.name} is listed twice", "rename one of them")
        seen.add(group)
        if ring.max_concurrent in (Amount(hosts=0), Amount(percent=0)):
            document.complain(f"{here}.max_concurrent", "0 would never start a host", "1 or more")


def _check_assignment(document: Document, entry: AssignEntry, rings: list[str]) -> None:
    if not document.clean("rings"):
        return
    for index, rule in enumerate(entry.rules):
        here = f"assign.rules[{index}]"
        if rule.ring not in rings:
            document.complain(f"{here}.ring", f"no ring {rule.ring!r}", suggest(rule.ring, rings))
        if not rule.groups and not rule.names:
            document.complain(here, "fits no host", "give it groups or names")
    if entry.shares is None or not document.clean("assign.shares"):
        return
    for name in entry.shares.rest:
        if name not in rings:
            hint = suggest(name, [*rings, "seed", "stratum"])
            document.complain(f"assign.shares.{name}", f"no ring {name!r}", hint)
    total = sum(entry.shares.rest.values())
    if total != 100:
        document.complain("assign.shares", f"the shares sum to {total}, not to 100")


def _check_files(document: Document, entries: File, root: Path) -> None:
    drain, undrain = entries.hooks.drain or _NO_HOOK, entries.hooks.undrain or _NO_HOOK
    for path, hook in (("hooks.drain", drain), ("hooks.undrain", undrain)):
        if hook.file:
            _check_hook(document, path, hook.file, root)
        elif hook.sees:
            document.complain(path, "sees hosts and has no file")
    if drain.file and not undrain.file:
        document.complain("hooks.drain", "has no undrain beside it", "add hooks.undrain")
    if not entries.inventory and document.clean("inventory"):
        document.complain("inventory", "names no source", "leave the key out for inventory/")
    names: set[str] = set()
    for index, probe in enumerate(entries.probes):
        here = f"probes[{index}]"
        if probe.name in names:
            document.complain(f"{here}.name", f"{probe.name!r} is listed twice")
        names.add(probe.name)
        if problem := grammar.target_problem(probe.kind, probe.target):
            document.complain(f"{here}.target", problem)
        for number, package in enumerate(probe.packages):
            if not grammar.is_name(package):
                document.complain(f"{here}.packages[{number}]", "is not a package name")


def _check_hook(document: Document, path: str, hook: str, root: Path) -> None:
    if problem := grammar.hook_problem(hook):
        document.complain(path, problem)
    elif not (root / hook).is_file():
        document.complain(path, f"there is no file {hook}")
    elif not (root / hook).resolve().is_relative_to(root.resolve()):
        document.complain(path, "leads out of the workspace by a link", "put the file itself there")


def _check_feeds(document: Document, entry: FeedsEntry) -> None:
    _check_address(document, "feeds.mirror", entry.mirror)
    names: set[str] = set()
    for index, source in enumerate(entry.sources):
        here = f"feeds.sources[{index}]"
        if not re.fullmatch(FEED_NAME, source.name):
            document.complain(f"{here}.name", "must be lower case letters, digits, . and -")
        if source.name in names:
            document.complain(f"{here}.name", f"{source.name!r} is listed twice")
        names.add(source.name)
        _check_address(document, f"{here}.address", source.address)


def _check_address(document: Document, path: str, address: str) -> None:
    # The message does not repeat the value: it may contain a password.
    if address and not re.fullmatch(r"https?://[^\s/]+(?:/\S*)?", address):
        document.complain(path, "is not an http or https address", "write https://host/path")


_BANDS = ("critical", "high", "medium", "low")


def _check_assessment(document: Document, entry: AssessmentEntry) -> None:
    if not entry.profiles and document.clean("assessment.profiles"):
        document.complain(
            "assessment.profiles", "names no profile", "leave the key out for the usual"
        )
    for index, profile in enumerate(entry.profiles):
        if profile in entry.profiles[:index]:
            document.complain(f"assessment.profiles[{index}]", f"{profile} is listed twice")
    above = ""
    for name in _BANDS:
        here, duration = f"assessment.sla.{name}", getattr(entry.sla, name)
        if duration % DAY:
            document.complain(here, "must be whole days", "such as 7d; 0 is no deadline")
        # 0 is no deadline, so it counts as the longest. A more severe band that may wait longer
        # than a less severe one is a mistake.
        elif above and (duration or _LONGEST) < (getattr(entry.sla, above) or _LONGEST):
            document.complain(here, f"is shorter than that of {above}", "worse bands come first")
        above = name
