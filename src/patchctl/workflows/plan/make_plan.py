"""Make a plan: snapshot -> select -> resolve on the hosts -> fetch the files -> freeze."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ... import __version__
from ...errors import InvalidInputError, NotFoundError
from ...inventory.export import group_names
from ...models import words
from ...models.exclusions import Exclusion
from ...models.fleet import Fleet
from ...models.plan import (
    CouldNotLook,
    HookFile,
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    Selection,
    SelectionMode,
)
from ...models.policy import StaleLists
from ...models.resolution import Resolution
from ...models.revision import Revision
from ...models.settings import Settings
from ...models.snapshot import Snapshot
from ...plan.accept import accept
from ...plan.check import check
from ...plan.freeze import check_rings, freeze, seal
from ...plan.hooks import refuse_unknown_groups
from ...plan.looks import Looks, looks, refused
from ...plan.machines import check_machines
from ...plan.select import Selected, package_specs, select
from ...protocol import fetching
from ...protocol.jobs import HostRunner
from ..exclusions import Holding, holding, unused
from ..interfaces import ContentStore, State
from .fetch_files import FileFetcher
from .findings import PlanAssessing, PlanFindings
from .resolve import resolve

Say = Callable[[str], None]

# Hosts that are left out because they need nothing, because somebody decided so, or for what the
# exit code goes by the policy.
_HARMLESS = frozenset(
    {
        LeftOutReason.NO_UPDATES,
        LeftOutReason.NOT_SECURITY,
        LeftOutReason.NO_ADVISORIES,
        LeftOutReason.NOT_SELECTED,
        LeftOutReason.NO_FINDING,
        LeftOutReason.WAIVED,
        LeftOutReason.PHASED,
        LeftOutReason.EXCLUDED,
        LeftOutReason.STALE_LISTS,
    }
)


def _is_harmless(line: LeftOut) -> bool:
    # Who asks for a CVE asks for its update now, and the repository does not bring it yet.
    waits = line.reason is LeftOutReason.PHASED and bool(line.cves)
    return line.reason in _HARMLESS and not waits


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What is asked for.

    `hosts` are the names that the selection's limit means, None for all. `snapshot` is an id or
    `latest`; empty discovers afresh, with refreshed package lists. `exclude` are the exclusions of
    this plan alone, before those of the inventory and the settings.
    """

    selection: Selection
    hosts: Collection[str] | None = None
    snapshot: str = ""
    comment: str = ""
    exclude: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Made:
    """`plan` is None where no host has anything to do; `left_out` says why in both cases.
    `could_not_look` is what the snapshot could not tell, and hosts that nobody asked, for their
    names: these are in no plan. `stale_lists` is the policy for that, `exclusions` are the rules
    that held."""

    plan: Plan | None
    snapshot: Snapshot
    left_out: tuple[LeftOut, ...]
    could_not_look: tuple[CouldNotLook, ...] = ()
    stale_lists: StaleLists = StaleLists.HOLD
    exclusions: tuple[Exclusion, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where the policy holds hosts back because of their repositories, and where there is no
        plan though some host could not be looked at or may not be patched; else 0."""
        reasons = {row.reason for row in self.left_out}
        if LeftOutReason.STALE_LISTS in reasons and self.stale_lists is StaleLists.HOLD:
            return 1
        harmless = all(map(_is_harmless, self.left_out)) and not self._never_asked
        return 0 if self.plan is not None or harmless else 1

    @property
    def _never_asked(self) -> set[str]:
        """Of all hosts without a plan those of which not even `left_out` tells anything."""
        return {row.host for row in self.could_not_look} - {row.host for row in self.left_out}

    @property
    def all_looked_at(self) -> bool:
        """May "nothing to do" be said?"""
        return not self.could_not_look and not self.exit_code


@dataclass(frozen=True, kw_only=True)
class PlanMaker:
    """Makes plans of one workspace.

    `discover` looks at the named hosts now (None: all) and stores what it found; `now` is epoch
    seconds; `say` takes lines of progress; `assessing` tells findings where feeds are held; `hooks`
    are the files of the settings' hooks.
    """

    settings: Settings
    fleet: Fleet
    database: State
    store: ContentStore
    runner: HostRunner
    inventory: Callable[[Sequence[str]], Mapping[str, Any]]
    discover: Callable[[Collection[str] | None], Snapshot]
    now: Callable[[], int]
    revision: Callable[[], Revision]
    by: str
    say: Say
    assessing: PlanAssessing
    hooks: tuple[HookFile, ...] = ()

    def make(self, request: PlanRequest) -> Made:
        """Make the plan and store it in the database; its files are in the content store.

        Raises InvalidInputError where the request cannot mean anything (no host has a package of
        that name or that CVE, no such snapshot) or two hosts are one machine, NotFoundError where a
        selection by findings has no feeds. A host's failure leaves that host out.
        """
        package_specs(request.selection.packages)
        check_rings(self.settings.rings, self.fleet)
        refuse_unknown_groups(self.settings.rings, group_names(self.fleet))
        assesses = self.assessing.ready(request.selection)
        snapshot = self._snapshot(request)
        known = self.assessing.look(snapshot, request.hosts) if assesses else None
        seen = self._looks(request, snapshot)
        holds = self._holding(request, snapshot)
        selected = self._select(request, snapshot, known, seen, holds.rules)
        check_machines(snapshot, {host_request.host for host_request in selected.requests})
        work = hashlib.sha256(f"{snapshot.id} {self.now()}".encode()).hexdigest()[:12]
        settled = accept(
            self._resolve(selected, request.selection, work),
            {host.name: host.facts for host in snapshot.hosts if host.facts is not None},
            allow_removals=self.settings.allow_removals,
            exclusions=holds.rules,
        )
        taken, unfetched = self._fetch(settled.taken, selected, work)
        left_out = seen.mark_uncertain((*selected.left_out, *settled.left_out, *unfetched))
        for line in unused(holds.rules, snapshot, request.hosts, left_out):
            self.say(f"warning: {line}")
        if not taken:
            return self._made(request, None, snapshot, left_out, seen, holds.rules)
        if known is not None:
            taken = known.annotate(taken)
        body = freeze(
            fleet=self.fleet,
            snapshot=snapshot,
            selection=request.selection,
            settings=self.settings,
            resolutions=taken,
            left_out=left_out,
            proven=self.database.proofs.by_ring(),
            feeds=known.feeds if known is not None else (),
            urgent=known.urgent(taken) if known is not None else (),
            hooks=self.hooks,
            could_not_look=seen.all,
            exclusions=holds.rules,
        )
        plan = seal(body, self._about(request))
        check(plan, "the new plan")  # nobody could read it later
        self.database.plans.save(plan)
        return self._made(request, plan, snapshot, body.left_out, seen, body.exclusions)

    def _made(
        self,
        request: PlanRequest,
        plan: Plan | None,
        snapshot: Snapshot,
        left_out: tuple[LeftOut, ...],
        seen: Looks,
        exclusions: tuple[Exclusion, ...],
    ) -> Made:
        return Made(
            plan=plan,
            snapshot=snapshot,
            left_out=left_out,
            could_not_look=(*seen.all, *refused(self.fleet, request.hosts)),
            stale_lists=self.settings.stale_lists,
            exclusions=exclusions,
        )

    def _looks(self, request: PlanRequest, snapshot: Snapshot) -> Looks:
        return looks(
            self.fleet,
            snapshot,
            request.hosts,
            policy=self.settings.stale_lists,
            oldest=self.now() - self.settings.lists_max_age_s,
        )

    def _snapshot(self, request: PlanRequest) -> Snapshot:
        if not request.snapshot:
            return self.discover(request.hosts)
        wanted = None if request.snapshot == "latest" else request.snapshot
        stored = self.database.snapshots.load(wanted)
        if stored is None:
            raise NotFoundError(
                f"no snapshot {request.snapshot!r}" if wanted else "there is no snapshot yet",
                hint="run `patchctl discover`, or leave --snapshot out",
            )
        return stored

    def _holding(self, request: PlanRequest, snapshot: Snapshot) -> Holding:
        """The exclusions on the snapshot's day, so that one snapshot gives one plan."""
        day = words.day(snapshot.taken)
        holds = holding(self.settings, self.fleet, day, request.exclude)
        for line in holds.warnings:
            self.say(f"warning: {line}")
        return holds

    def _select(
        self,
        request: PlanRequest,
        snapshot: Snapshot,
        known: PlanFindings | None,
        seen: Looks,
        exclusions: Sequence[Exclusion],
    ) -> Selected:
        selection, chosen = request.selection, None
        if known is not None and selection.mode is SelectionMode.FINDINGS:
            chosen = known.chosen(selection)
        selected = select(
            self.fleet, snapshot, selection, request.hosts, chosen, seen.held, exclusions
        )
        _check_names(selected, snapshot)
        return selected

    def _resolve(self, selected: Selected, selection: Selection, work: str) -> Iterable[Resolution]:
        if selected.requests:
            self.say(f"resolving on {words.count(len(selected.requests), 'host')}")
        return resolve(
            selected.requests,
            runner=self.runner,
            inventory=self.inventory,
            job=f"resolve-{work}",
            allow_removals=self.settings.allow_removals,
            # Only a version that somebody named may lie below the installed one.
            allow_downgrades=selection.mode is SelectionMode.PACKAGE,
        )

    def _fetch(
        self, taken: Sequence[Resolution], selected: Selected, work: str
    ) -> tuple[tuple[Resolution, ...], tuple[LeftOut, ...]]:
        ring_of = {request.host: request.ring for request in selected.requests}
        fetcher = FileFetcher(
            store=self.store,
            runner=self.runner,
            inventory=self.inventory,
            work=work,
            say=self.say,
        )
        missing = fetcher.fetch(fetching.needed_files(taken, ring_of, self.settings.ring_names))
        return fetching.without_files(taken, missing)

    def _about(self, request: PlanRequest) -> PlanAbout:
        revision = self.revision()
        return PlanAbout(
            created=self.now(),
            author=self.by,
            tool=f"patchctl {__version__}",
            commit=revision.commit,
            dirty=revision.dirty,
            comment=request.comment,
        )


def _check_names(selected: Selected, snapshot: Snapshot) -> None:
    if selected.unmatched and any(host.facts is not None for host in snapshot.hosts):
        raise InvalidInputError(
            f"no host has a package or a source named {', '.join(selected.unmatched)}",
            where="--package",
            hint="`patchctl discover show HOST` lists what a host has",
        )
