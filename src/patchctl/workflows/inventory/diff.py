"""Compare the inventory of a revision with the working tree, and find plans that an edit breaks."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ...errors import InvalidInputError
from ...inventory import load
from ...inventory.diff import compare
from ...models.fleet import Fleet, Host
from ...models.fleet_diff import InvalidPlan, InventoryDiff, NotCompared
from ...models.plan import Plan
from ...models.settings import Settings
from ...plan.freeze import fleet_digest
from .show import Raw


class Reader(Protocol):
    """Reads inventory sources."""

    def read(self, sources: Sequence[str]) -> Raw:
        """All sources together. Raises InvalidInputError."""


class NotRun(Protocol):
    """Why a source is not read, and a digest of its content (empty where that is not known)."""

    @property
    def reason(self) -> str: ...
    @property
    def digest(self) -> str: ...


class StaticSources(Protocol):
    """Inventory sources as data: nothing of them is run."""

    def programs(self, sources: Sequence[str], root: Path) -> Mapping[str, NotRun]:
        """What of the sources, by its path below the root, would run or is not there to be read."""

    def copy(
        self, sources: Sequence[str], root: Path, into: Path, without: Collection[str]
    ) -> tuple[str, ...]:
        """Copy the sources' files, but for those `without`, to the same places below `into`; the
        answer are the sources that have any left. Raises InvalidInputError."""


class Side(NamedTuple):
    """A workspace as it was or is. `name` stands before what is wrong with it; empty: nothing.
    `astray` are links of it that lead elsewhere."""

    name: str
    root: Path
    settings: Settings
    sources: tuple[str, ...]
    astray: tuple[str, ...] = ()


class StoredPlan(NamedTuple):
    """A plan and its file, where it has one."""

    plan: Plan
    path: str


@dataclass(frozen=True)
class Differ:
    """`reader` reads below a folder, static data only where its second argument is True. `scratch`
    is a private folder. With `run_sources` programs and plugins of both sides run. `warn` takes a
    line for every host that is left out."""

    reader: Callable[[Path, bool], Reader]
    static: StaticSources
    scratch: Path
    run_sources: bool = False
    warn: Callable[[str], None] = lambda line: None

    def diff(
        self, revision: str, before: Side, after: Side, plans: Iterable[StoredPlan]
    ) -> InventoryDiff:
        """What the working tree `after` changes. Raises InvalidInputError where either side cannot
        be read; contradictory rings are an error in the working tree only, where they are mended.
        """
        left_out = _left_out(before, after, self.static, run=self.run_sources)
        names = {one.source for one in left_out}
        old = self._fleet("before", before, names, strict=False)
        new = self._fleet("after", after, names, strict=True)
        changes = compare(old, new)
        rings = (before.settings.ring_names, after.settings.ring_names)
        return InventoryDiff(
            revision=revision,
            differs=any(changes) or rings[0] != rings[1] or any(one.changed for one in left_out),
            rings_before=rings[0],
            rings_after=rings[1],
            **changes._asdict(),
            invalid_plans=tuple(broken_plans(plans, old, new, partial=bool(left_out))),
            not_compared=left_out,
        )

    def _fleet(self, place: str, side: Side, without: set[str], *, strict: bool) -> Fleet:
        try:
            root, sources = self._sources(place, side, without)
            reader = self.reader(root, not self.run_sources)
            raw: load.Raw = reader.read(sources) if sources else _Nothing()
            rings = side.settings.ring_names
            fleet, refusals = load.survey(
                raw, sources=sources, rings=rings, assignment=side.settings.assign
            )
            self._tell(refusals, strict=strict)
            if wrong := [one for one in refusals if strict and one.rule != load.NAME]:
                raise InvalidInputError(
                    problems=[load.problem(one) for one in wrong],
                    hint="`patchctl inventory lint` says where",
                )
        except InvalidInputError as error:
            if not side.name:
                raise
            found = [one.inside(side.name) for one in error.problems]
            raise InvalidInputError(problems=found, hint=error.hint) from error
        return fleet

    def _tell(self, refusals: Sequence[load.Refusal], *, strict: bool) -> None:
        """Name the hosts of the working tree that are compared with none."""
        for one in refusals:
            if strict and one.rule == load.NAME:
                self.warn(f"warning: {load.problem(one)}; it is not compared")

    def _sources(self, place: str, side: Side, without: set[str]) -> tuple[Path, tuple[str, ...]]:
        if self.run_sources:
            return side.root, tuple(one for one in side.sources if one not in without)
        root = self.scratch / place
        root.mkdir(mode=0o700)
        return root, self.static.copy(side.sources, side.root, root, without)


class _Nothing:
    """No source is left to read."""

    hosts: dict[str, dict[str, object]] = {}
    groups: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def _left_out(
    before: Side, after: Side, static: StaticSources, *, run: bool
) -> tuple[NotCompared, ...]:
    """What is a program on either side is left out on both, else its hosts would vanish."""
    old = static.programs(before.sources, before.root)
    new = static.programs(after.sources, after.root)
    found = [
        NotCompared(source=name, reason="is a link that leads elsewhere", changed=False)
        for name in before.astray
        if any(Path(name).is_relative_to(source) for source in before.sources)
    ]
    for name in sorted(old.keys() | new.keys()):
        known = [side[name] for side in (new, old) if name in side]
        if run and known[0].digest:  # without one it lies outside, and no revision has it
            continue
        changed = len({one.digest for one in known}) > 1 or len(known) == 1
        found.append(NotCompared(source=name, reason=known[0].reason, changed=changed))
    return tuple(found)


def broken_plans(
    plans: Iterable[StoredPlan], before: Fleet, after: Fleet, *, partial: bool
) -> list[InvalidPlan]:
    """Plans that fit the fleet before and do not fit the one after.

    Where sources are left out (`partial`) no plan fits exactly; then those count whose hosts the
    edit describes otherwise.
    """
    old = {host.name: host for host in before.hosts}
    new = {host.name: host for host in after.hosts}
    found = []
    for stored in plans:
        names = [host.name for host in stored.plan.body.hosts]
        was, now = _digest(names, old), _digest(names, new)
        if was != now and (partial or was == stored.plan.body.fleet):
            changed = sorted(one for one in names if _digest([one], old) != _digest([one], new))
            found.append(
                InvalidPlan(digest=stored.plan.digest, path=stored.path, hosts=tuple(changed))
            )
    return found


def _digest(names: Sequence[str], hosts: dict[str, Host]) -> str:
    return fleet_digest(hosts[name] for name in names if name in hosts)
