"""Start, resume, retry and undo runs, with engine, journal, leases and audit log together."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...audit.interfaces import LogFiles
from ...audit.writer import AuditWriter
from ...errors import ConflictError, CutShortError, InvalidInputError, PatchctlError
from ...models import ids
from ...models.fleet import Fleet
from ...models.journal import (
    CommandKind,
    ControllerTook,
    Event,
    JournalEntry,
    PlanTrust,
    RunCreated,
    RunMoved,
)
from ...models.plan import Artifact, Plan
from ...models.rollout import HostState, ProcessIdentity, RunState
from ...models.run_status import RunStatus
from ...models.states import ASKED_AGAIN, CALLED_OFF, KNOWN_END, OVER, UNTOUCHED
from ...models.undo import UndoGroup
from ...models.words import some
from ...plan.freeze import fleet_digest
from ...plan.hooks import refuse_without_digests
from ...rollout import commands, soak, undo
from ...rollout import retry as retrying
from ...rollout.blockers import blockers
from ...rollout.engine import Engine
from ...rollout.interfaces import Clock, EventSink, Executor, Journal
from ...rollout.lost import ask_again
from ...rollout.refusals import refuse_without_effect
from ...rollout.status import status as status_of
from ...rollout.view import RunView
from ..history import record_runs
from ..interfaces import State
from .leasing import claim, refuse_leased
from .listing import keep
from .reading import find_run, plan_of, view_run
from .rolled_out import refuse_rolled_out


@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """The runs of one workspace.

    `executor` builds the executor for a plan; `fleet` loads the inventory when a run needs it;
    `process` and `by` are this controller; `alive` tells whether another controller still runs;
    `check` raises IntegrityError where a stored package file has changed. `hooks` raises
    InvalidInputError where a hook of the plan cannot run, IntegrityError where it differs from the
    plan. `warn` takes warnings for the operator that stop nothing.
    """

    database: State
    executor: Callable[[Plan], Executor]
    fleet: Callable[[], Fleet]
    clock: Clock
    process: ProcessIdentity
    alive: Callable[[ProcessIdentity], bool]
    by: str
    audit: LogFiles
    check: Callable[[Iterable[Artifact]], None]
    hooks: Callable[[Plan], None] = lambda _: None
    sinks: Sequence[EventSink] = ()
    warn: Callable[[str], None] = lambda _: None

    # --- beginnings -----------------------------------------------------------------------------

    def start(self, plan: Plan, *, comment: str = "", trust: PlanTrust = PlanTrust.STATE) -> str:
        """Store a new run of the plan, reserve its hosts and return the run's id. `trust` is why
        the plan may run, as judged before.

        Raises InvalidInputError for a plan that has expired, is empty or does not fit the inventory
        and for hooks that cannot run, ConflictError where it was rolled out already or another run
        has one of its hosts,
        IntegrityError where one of its files in the content store, or of its hooks, has changed.
        """
        self.refuse_unfit(plan)
        # Before anything is stored: a damaged log must be fixed first.
        AuditWriter(self.audit, self.database).catch_up()
        run = ids.run_id(self.clock.now_ms(), os.urandom(ids.RANDOM_BYTES))
        with self.database.write():
            self.database.plans.save(plan)
            self.database.runs.create(
                run,
                plan.digest,
                len(plan.body.hosts),
                self.clock.now_ms() // 1000,
                self.by,
            )
            claim(self.database, run, [host.name for host in plan.body.hosts])
            fence = self.database.leases.take(run, self.process, self.alive, self.by)
            created = RunCreated(plan=plan.digest, by=self.by, comment=comment, trust=trust)
            self.database.journal(run, fence).append(run, [created])
        return run

    def refuse_unfit(self, plan: Plan) -> None:
        """Raise what `start` raises for a plan that may not run now. Changes nothing."""
        self._check(plan)
        refuse_rolled_out(self.database, plan)
        refuse_without_digests(plan.body)
        self.hooks(plan)
        self.check(plan_files(plan))

    def _check(self, plan: Plan) -> None:
        if not plan.body.hosts:
            raise InvalidInputError("the plan changes no host", hint="see `patchctl plan show`")
        self._refuse_expired(plan)
        hosts = {host.name: host for host in self.fleet().hosts}
        fleet = {name: host.ring for name, host in hosts.items()}
        if missing := sorted(host.name for host in plan.body.hosts if host.name not in fleet):
            raise InvalidInputError(
                f"{_of_plan(missing)} not in the inventory",
                hint="make a new plan, or name the right inventory with -i",
            )
        for host in plan.body.hosts:
            if fleet[host.name] != host.ring:
                raise InvalidInputError(
                    f"host {host.name} is in ring {fleet[host.name] or 'none'} now,"
                    f" in the plan it is in {host.ring}",
                    hint="make a new plan",
                )
        if fleet_digest(hosts[host.name] for host in plan.body.hosts) != plan.body.fleet:
            raise InvalidInputError(
                "the inventory says something else of the plan's hosts than when it was made",
                hint="make a new plan with `patchctl plan create`",
            )

    def _refuse_expired(self, plan: Plan) -> None:
        if self.clock.now_ms() // 1000 >= plan.body.expires:
            raise InvalidInputError(
                "the plan has expired: its hosts were looked at too long ago",
                hint="make a new one with `patchctl plan create`",
            )

    # --- carrying -------------------------------------------------------------------------------

    def advance(self, run: str, *, wait: bool = True) -> RunView:
        """Carry a new run, or one whose controller is gone, as far as it goes."""
        return self._advance(run, lambda _: None, wait=wait)

    def resume(
        self, run: str, *, reason: str = "", accept_failures: bool = False, wait: bool = True
    ) -> RunView:
        """Go on with a run that was interrupted, paused or halted.

        Raises ConflictError where the run is over or its controller lives, HaltedError where a
        budget is used up, IntegrityError where a stored file or a hook that a host may still need
        has changed, InvalidInputError where the run is done, has deferred hosts to begin, and its
        plan has expired.
        """
        view = self.view(run)
        deferred = any(host.state is HostState.DEFERRED for host in view.hosts.values())
        if view.state is RunState.DONE and deferred:
            self._refuse_expired(view.plan)
        hosts = view.hosts.values()
        if view.state not in CALLED_OFF and any(h.state not in KNOWN_END for h in hosts):
            self._check_hooks(run, view.plan)
        ahead = {host.name for host in view.hosts.values() if host.state in UNTOUCHED}
        self.check(plan_files(view.plan, ahead))

        if self._undisturbed(run):
            commands.resume(view, self.by, reason, accept_failures=accept_failures)
            refuse_leased(self.database, run, [h.name for h in hosts if h.state in ASKED_AGAIN])

        def begin(engine: Engine) -> None:
            run_hosts = engine.view.hosts.values()
            claim(
                self.database, run, [host.name for host in run_hosts if host.state in ASKED_AGAIN]
            )
            engine.resume(self.by, reason, accept_failures=accept_failures)

        return self._advance(run, begin, wait=wait)

    def _check_hooks(self, run: str, plan: Plan) -> None:
        if plan.body.hook_names and not plan.body.hooks:
            self.warn(
                f"run {run} began before plans had the digests of their hooks: it goes on with"
                " these files as they are now"
            )
        self.hooks(plan)

    def roll_back(
        self, run: str, *, reason: str = "", hosts: Sequence[str] = (), force: bool = False
    ) -> RunView:
        """Undo what a run has changed, newest ring first."""

        def to_undo(view: RunView) -> list[str]:
            run_hosts = view.hosts.values()
            return [h.name for h in run_hosts if (h.name in hosts if hosts else h.touched)]

        if self._undisturbed(run):
            view = self.view(run)
            undo.open_attempts(view, self.by, reason, hosts=hosts, force=force)
            refuse_leased(self.database, run, to_undo(view))

        def begin(engine: Engine) -> None:
            claim(self.database, run, to_undo(engine.view))
            engine.roll_back(self.by, reason, hosts=hosts, force=force)

        return self._advance(run, begin, wait=True)

    def before_undo(
        self, run: str, *, hosts: Sequence[str] = (), force: bool = False
    ) -> list[UndoGroup]:
        """Return what `roll_back` would change. Raises what it raises where there is nothing."""
        return undo.groups_to_undo(self.view(run), hosts=hosts, force=force)

    def retry(
        self, run: str, *, reason: str = "", hosts: Sequence[str] = (), wait: bool = True
    ) -> RunView:
        """Try failed and fixed hosts of a run again, each in a new attempt. Then the run is in its
        earlier state again.

        Raises what `resume` raises, ConflictError also for a host that may not be tried again,
        NotFoundError for one that is not in the run, InvalidInputError where the run is over and
        its plan has expired.
        """
        view = self.view(run)
        names = retrying.chosen(view, hosts)
        if view.state in OVER:
            self._refuse_expired(view.plan)
        self._check_hooks(run, view.plan)
        self.check(plan_files(view.plan, names))
        if self._undisturbed(run):
            refuse_leased(self.database, run, names)

        def begin(engine: Engine) -> None:
            claim(self.database, run, retrying.chosen(engine.view, hosts))
            engine.retry(self.by, reason, hosts=hosts)

        return self._advance(run, begin, wait=wait)

    def _undisturbed(self, run: str) -> bool:
        """Return whether the run is as its journal says, so that what is refused can be refused
        before anything is written: it has neither a controller nor requests that come first."""
        return not self.controller(run) and not self.database.mailbox.pending(run)

    def _advance(self, run: str, begin: Callable[[Engine], None], *, wait: bool) -> RunView:
        plan = self._plan(run)
        audit = AuditWriter(self.audit, self.database)
        audit.catch_up()
        fence = self.database.leases.take(run, self.process, self.alive, self.by)
        engine = self._engine(run, plan, fence, audit)
        try:
            engine.acquire(fence, self.process, self.by)
            begin(engine)
            with _cut_short(run):
                engine.run(wait=wait)
        except BaseException:
            # Also on Ctrl-C: detached work on hosts goes on, and the run can be resumed.
            self._end(engine, audit)
            # The first error tells more than one of releasing the lease; this process ends now,
            # which frees the lease.
            with contextlib.suppress(PatchctlError):
                self._close(engine.view, fence)
            raise
        self._end(engine, audit)
        with _cut_short(run):
            self._close(engine.view, fence)
        return engine.view

    def _end(self, engine: Engine, audit: AuditWriter) -> None:
        engine.stop()
        audit.close()
        if audit.error is not None:
            self.warn(f"the audit log is behind the journal: {audit.error}")

    def _engine(self, run: str, plan: Plan, fence: int, audit: AuditWriter) -> Engine:
        return Engine(
            run,
            plan,
            executor=self.executor(plan),
            journal=self.database.journal(run, fence),
            mailbox=self.database.mailbox,
            clock=self.clock,
            sinks=[audit, *self.sinks],
            proven=self.database.proofs.by_ring(),
        )

    def _close(self, view: RunView, fence: int) -> None:
        self.database.proofs.withdraw(view.run, view.disproven_by_ring())
        self.database.proofs.record(view.run, view.proven_by_ring())
        keep(self.database, view)
        self.database.leases.drop(view.run, fence)
        # A halted or paused run keeps its hosts, so that it finds them unchanged when it goes on.
        if view.state in OVER:
            self.database.leases.release_hosts(view.run)
        try:
            record_runs(self.database)
        except PatchctlError as error:  # what the hosts have is right all the same
            self.warn(f"the next `patchctl assess` takes this run into the history: {error}")

    # --- looking --------------------------------------------------------------------------------

    def find(self, name: str | None) -> str:
        """Return a run's id by a unique start or end of it; the newest where `name` is None."""
        return find_run(self.database, name)

    def view(self, run: str) -> RunView:
        """Return the view of the run, folded from its journal."""
        return view_run(self.database, run)

    def controller(self, run: str) -> str:
        """Return who controls the run now; "" where nobody does."""
        controller = self.database.leases.controller(run)
        if controller is None or not self.alive(controller[0]):
            return ""
        return f"process {controller[0].pid} of {controller[1]}"

    def status(self, run: str) -> RunStatus:
        """Return the status of the run."""
        return self.status_of_view(self.view(run), self.controller(run))

    def status_of_view(self, view: RunView, controller: str = "") -> RunStatus:
        """Return the status of a run by its view; `controller` is who controls it."""
        now = self.clock.now_ms()
        return status_of(
            view,
            controller,
            blockers=blockers(view, now, self.database.proofs.by_ring()),
            leased=self._leased(view),
            now=now,
        )

    def _leased(self, view: RunView) -> Collection[str]:
        # A run that is over may have leases left; they do not keep other runs out.
        over = view.state in OVER
        return frozenset() if over else frozenset(self.database.leases.hosts(view.run))

    def news(self, view: RunView) -> list[JournalEntry]:
        """Apply entries that are newer than the view to it, and return them."""
        entries = list(self.database.journal_reader().read(view.run, view.seq))
        for entry in entries:
            view.apply(entry)
        return entries

    def _plan(self, run: str) -> Plan:
        return plan_of(self.database, run)

    def soak(self, run: str) -> str:
        """Return what soaks in the run, and until when. Raises ConflictError where nothing does."""
        view, now = self.view(run), self.clock.now_ms()
        return soak.told(soak.soaking(view, now), now)

    # --- requests from another process ------------------------------------------------------------

    def request(self, run: str, command: CommandKind, *, ring: str = "", reason: str = "") -> bool:
        """Send a request to a run. True where its living controller takes it at its next step;
        False where it had no controller and the request has taken effect now.

        Raises ConflictError where the run is over, the request would change nothing of it, no ring
        waits for an approval, or none soaks that could be promoted; InvalidInputError for a ring
        that the plan does not have.
        """
        view = self.view(run)
        if view.state in OVER:
            raise ConflictError(f"run {run} is {view.state.value.replace('_', ' ')}")
        if ring and ring not in view.rings:
            raise InvalidInputError(
                f"the plan has no ring {ring}", hint=f"its rings: {', '.join(view.rings)}"
            )
        if command is CommandKind.APPROVE and not ring:
            ring = commands.waiting_ring(view)
            if not ring:
                raise ConflictError(
                    f"no ring of run {run} waits for an approval",
                    hint="approve a later one ahead of time with --ring NAME",
                )
        if not self.database.mailbox.pending(run):
            refuse_without_effect(view, command, ring)
        if command is CommandKind.PROMOTE:
            ring = soak.soaking(view, self.clock.now_ms()).name
        self.database.mailbox.send(run, command, self.by, ring, reason)
        if self.controller(run):
            return True
        self._take_mail(run)
        return False

    def _take_mail(self, run: str) -> None:
        """Apply the requests to a run without a controller, as far as that needs no host: hosts in
        flight wait for `resume`."""
        audit = AuditWriter(self.audit, self.database)
        audit.catch_up()
        fence = self.database.leases.take(run, self.process, self.alive, self.by)
        journal = self.database.journal(run, fence)
        view = self.view(run)
        took = ControllerTook(fence=fence, process=self.process, by=self.by)
        _write(journal, view, [took])
        for request in self.database.mailbox.pending(run):
            with self.database.write():
                _write(journal, view, commands.take(view, request))
                self.database.mailbox.take(request)
        ended = not view.at_work() and not ask_again(view, once=True)
        if view.state is RunState.ABORTING and ended:
            _write(journal, view, [RunMoved(to=RunState.ABORTED, reason=view.reason)])
        audit.catch_up()
        audit.close()
        self._close(view, fence)


@contextlib.contextmanager
def _cut_short(run: str) -> Iterator[None]:
    """Turn an error within the block into CutShortError: hosts may have changed, and the run can
    be resumed."""
    try:
        yield
    except (PatchctlError, OSError) as error:
        raise CutShortError(
            f"run {run} was cut short: {error}",
            hint=f"fix that, then `patchctl rollout resume {run}`",
        ) from error


def plan_files(plan: Plan, hosts: Collection[str] | None = None) -> Iterator[Artifact]:
    """Yield the package files that a plan brings to these of its hosts, or to all, each once."""
    cohorts = {host.cohort for host in plan.body.hosts if hosts is None or host.name in hosts}
    files = {
        transition.file.sha256: transition.file
        for cohort in plan.body.cohorts
        for transition in cohort.transitions
        if cohort.id in cohorts and transition.file is not None
    }
    yield from files.values()


def _of_plan(hosts: Sequence[str]) -> str:
    names = f"{some(hosts)} of the plan"
    return f"host {names} is" if len(hosts) == 1 else f"hosts {names} are"


def _write(journal: Journal, view: RunView, events: Sequence[Event]) -> None:
    for entry in journal.append(view.run, events):
        view.apply(entry)
