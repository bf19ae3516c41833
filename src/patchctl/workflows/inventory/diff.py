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
        """Read all sources together. Raises InvalidInputError."""


class NotRun(Protocol):
    """Why a source is not read, and a digest of its content ("" where that is not known)."""

    @property
    def reason(self) -> str: ...
    @property
    def digest(self) -> str: ...


class StaticSources(Protocol):
    """Reads inventory sources as data and runs nothing of them."""

    def programs(self, sources: Sequence[str], root: Path) -> Mapping[str, NotRun]:
        """Return path below the root -> why that source would run, or cannot be read."""

    def copy(
        self, sources: Sequence[str], root: Path, into: Path, without: Collection[str]
    ) -> tuple[str, ...]:
        """Copy the files of the sources, but not of `without`, to the same paths below `into`.
        Returns the sources that have a file left. Raises InvalidInputError."""


class Side(NamedTuple):
    """A workspace at a revision or now. Its errors begin with `name`, unless that is empty.
    `astray` are its links that lead out of it."""

    name: str
    root: Path
    settings: Settings
    sources: tuple[str, ...]
    astray: tuple[str, ...] = ()


class StoredPlan(NamedTuple):
    """A plan and the path of its file, "" where it has none."""

    plan: Plan
    path: str


@dataclass(frozen=True)
class Differ:
    """Compares two sides. `reader` makes a reader for a folder, of static data only where its
    second argument is True. `scratch` is a private folder. With `run_sources` programs and plugins
    of both sides run. `warn` takes a line for every host that is left out."""

    reader: Callable[[Path, bool], Reader]
    static: StaticSources
    scratch: Path
    run_sources: bool = False
    warn: Callable[[str], None] = lambda line: None

    def diff(
        self, revision: str, before: Side, after: Side, plans: Iterable[StoredPlan]
    ) -> InventoryDiff:
        """Return what the working tree `after` changes. Raises InvalidInputError where a side
        cannot be read, or the working tree has contradictory rings; only there they can be fixed.
        """
        left_out = _left_out(before, after, self.static, run=self.run_sources)
        names = {source.source for source in left_out}
        old = self._fleet("before", before, names, strict=False)
        new = self._fleet("after", after, names, strict=True)
        changes = compare(old, new)
        rings = (before.settings.ring_names, after.settings.ring_names)
        return InventoryDiff(
            revision=revision,
            differs=any(changes)
            or rings[0] != rings[1]
            or any(source.changed for source in left_out),
            rings_before=rings[0],
            rings_after=rings[1],
            **changes._asdict(),
            invalid_plans=tuple(broken_plans(plans, old, new, partial=bool(left_out))),
            not_compared=left_out,
        )

    def _fleet(self, folder: str, side: Side, without: set[str], *, strict: bool) -> Fleet:
        try:
            root, sources = self._sources(folder, side, without)
            reader = self.reader(root, not self.run_sources)
            raw: load.Raw = reader.read(sources) if sources else _Nothing()
            rings = side.settings.ring_names
            fleet, refusals = load.survey(
                raw, sources=sources, rings=rings, assignment=side.settings.assign
            )
            self._warn(refusals, strict=strict)
            if wrong := [refusal for refusal in refusals if strict and refusal.rule != load.NAME]:
                raise InvalidInputError(
                    problems=[load.problem(refusal) for refusal in wrong],
                    hint="`patchctl inventory lint` says where",
                )
        except InvalidInputError as error:
            if not side.name:
                raise
            problems = [problem.inside(side.name) for problem in error.problems]
            raise InvalidInputError(problems=problems, hint=error.hint) from error
        return fleet

    def _warn(self, refusals: Sequence[load.Refusal], *, strict: bool) -> None:
        """Warn of hosts of the working tree that are refused and so not compared."""
        for refusal in refusals:
            if strict and refusal.rule == load.NAME:
                self.warn(f"warning: {load.problem(refusal)}; it is not compared")

    def _sources(self, folder: str, side: Side, without: set[str]) -> tuple[Path, tuple[str, ...]]:
        if self.run_sources:
            return side.root, tuple(source for source in side.sources if source not in without)
        root = self.scratch / folder
        root.mkdir(mode=0o700)
        return root, self.static.copy(side.sources, side.root, root, without)


class _Nothing:
    """An inventory without any source."""

    hosts: dict[str, dict[str, object]] = {}
    groups: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def _left_out(
    before: Side, after: Side, static: StaticSources, *, run: bool
) -> tuple[NotCompared, ...]:
    """Leave a source that is a program on either side out on both, else its hosts would seem to
    vanish."""
    old = static.programs(before.sources, before.root)
    new = static.programs(after.sources, after.root)
    left_out = [
        NotCompared(source=name, reason="is a link that leads elsewhere", changed=False)
        for name in before.astray
        if any(Path(name).is_relative_to(source) for source in before.sources)
    ]
    for name in sorted(old.keys() | new.keys()):
        known = [side[name] for side in (new, old) if name in side]
        if run and known[0].digest:  # without a digest it is outside, where no revision has it
            continue
        changed = len({source.digest for source in known}) > 1 or len(known) == 1
        left_out.append(NotCompared(source=name, reason=known[0].reason, changed=changed))
    return tuple(left_out)


def broken_plans(
    plans: Iterable[StoredPlan], before: Fleet, after: Fleet, *, partial: bool
) -> list[InvalidPlan]:
    """Return the plans that fit the fleet before and do not fit the one after.

    Where sources are left out (`partial`) no plan fits exactly; then the plans count whose hosts
    differ between the two.
    """
    old = {host.name: host for host in before.hosts}
    new = {host.name: host for host in after.hosts}
    broken = []
    for stored in plans:
        names = [host.name for host in stored.plan.body.hosts]
        digest_before, digest_after = _digest(names, old), _digest(names, new)
        if digest_before != digest_after and (partial or digest_before == stored.plan.body.fleet):
            changed = sorted(name for name in names if _digest([name], old) != _digest([name], new))
            broken.append(
                InvalidPlan(digest=stored.plan.digest, path=stored.path, hosts=tuple(changed))
            )
    return broken


def _digest(names: Sequence[str], hosts: dict[str, Host]) -> str:
    return fleet_digest(hosts[name] for name in names if name in hosts)
