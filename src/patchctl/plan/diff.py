"""Compare two plans, so that a person can review the differences."""

from collections import defaultdict
from collections.abc import Mapping

from ..models.plan import Action, LeftOut, Plan, PlanBody, PlannedHost, Transition
from ..models.plan_diff import Change, CveChange, Moved, PlanDiff
from ..models.policy import Probe
from .hooks import changed
from .setting_changes import says_all, selection_changed, settings_changed

_Key = tuple[str, str, Action, str, str]


def diff(before: Plan, after: Plan) -> PlanDiff:
    """Return what `after` has and `before` lacks, and what `before` has and `after` lacks."""
    old, new = before.body, after.body
    old_rows, new_rows = _rows(old), _rows(new)
    old_hosts, new_hosts = _hosts(old), _hosts(new)
    both = old_hosts.keys() & new_hosts.keys()
    return PlanDiff(
        before=before.digest,
        after=after.digest,
        hosts_added=tuple(sorted(new_hosts.keys() - old_hosts.keys())),
        hosts_removed=tuple(sorted(old_hosts.keys() - new_hosts.keys())),
        moved=tuple(
            Moved(host=name, before=_place(old_hosts[name]), after=_place(new_hosts[name]))
            for name in sorted(both)
            if _place(old_hosts[name]) != _place(new_hosts[name])
        ),
        added=_changes(new_rows.keys() - old_rows.keys()),
        removed=_changes(old_rows.keys() - new_rows.keys()),
        files_changed=_changes(
            {
                key
                for key in old_rows.keys() & new_rows.keys()
                if old_rows[key].file != new_rows[key].file
            }
        ),
        left_out_added=_left_out(new, old),
        left_out_removed=_left_out(old, new),
        selection_changed=old.selection != new.selection,
        policy_changed=old.policy != new.policy,
        expires_before=old.expires,
        expires_after=new.expires,
        cves_gained=_cves(new_rows, old_rows),
        cves_lost=_cves(old_rows, new_rows),
        feeds_changed=old.feeds != new.feeds,
        hooks=_hooks(old, new),
        probes_changed=_probes(old) != _probes(new),
        exclusions_added=tuple(
            exclusion for exclusion in new.exclusions if exclusion not in old.exclusions
        ),
        exclusions_removed=tuple(
            exclusion for exclusion in old.exclusions if exclusion not in new.exclusions
        ),
        settings=settings_changed(old, new),
        selection=selection_changed(old, new),
        settings_unsure=old.policy != new.policy and not (says_all(old) and says_all(new)),
    )


def _hooks(old: PlanBody, new: PlanBody) -> tuple[str, ...]:
    files = tuple(f"{path} {what}" for path, what in changed(old.hooks, new.hooks))
    before, after = set(old.hook_names), set(new.hook_names)
    begun = tuple(f"{name} is run now" for name in sorted(after - before))
    ended = (f"{name} is not run any more" for name in sorted(before - after))
    return (*begun, *ended, *_sees(old, new), *files)


def _sees(old: PlanBody, new: PlanBody) -> tuple[str, ...]:
    """Return a line for each hook of both plans that may see other hosts than before."""
    before = {(ring.name, hook.stage): hook for ring in old.rings for hook in ring.hooks}
    lines = (
        f"{hook.stage} sees {hook.sight} now, {saw.sight} before"
        for ring in new.rings
        for hook in ring.hooks
        if (saw := before.get((ring.name, hook.stage))) is not None and saw.sees != hook.sees
    )
    return tuple(dict.fromkeys(lines))


def _probes(body: PlanBody) -> dict[str, tuple[Probe, ...]]:
    return {ring.name: ring.probes for ring in body.rings if ring.probes}


def _hosts(body: PlanBody) -> dict[str, PlannedHost]:
    return {host.name: host for host in body.hosts}


def _place(host: PlannedHost) -> str:
    return f"{host.ring} wave {host.wave}"


def _rows(body: PlanBody) -> dict[tuple[str, _Key], Transition]:
    cohorts = {cohort.id: cohort for cohort in body.cohorts}
    return {
        (
            host.name,
            (
                transition.package,
                transition.arch,
                transition.action,
                transition.from_,
                transition.to,
            ),
        ): transition
        for host in body.hosts
        for transition in cohorts[host.cohort].transitions
    }


def _changes(rows: set[tuple[str, _Key]]) -> tuple[Change, ...]:
    hosts: dict[_Key, list[str]] = {}
    for host, key in rows:
        hosts.setdefault(key, []).append(host)
    return tuple(
        Change(
            package=key[0],
            arch=key[1],
            action=key[2],
            from_version=key[3],
            to_version=key[4],
            hosts=tuple(sorted(hosts[key])),
        )
        for key in sorted(hosts)
    )


def _cves(
    here: Mapping[tuple[str, _Key], Transition], there: Mapping[tuple[str, _Key], Transition]
) -> tuple[CveChange, ...]:
    """Return the CVEs that `here` removes and `there` does not, by source package.

    Hosts that have the same CVEs of a source package are in one change.
    """
    known = _removed(there)
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (host, source), cves in _removed(here).items():
        more = cves - known.get((host, source), set())
        if more:
            groups[source, tuple(sorted(more))].append(host)
    return tuple(
        CveChange(source=source, cves=cves, hosts=tuple(sorted(hosts)))
        for (source, cves), hosts in sorted(groups.items())
    )


def _removed(rows: Mapping[tuple[str, _Key], Transition]) -> dict[tuple[str, str], set[str]]:
    cves_of: dict[tuple[str, str], set[str]] = {}
    for (host, _), transition in rows.items():
        cves_of.setdefault((host, transition.source or transition.package), set()).update(
            transition.cves
        )
    return cves_of


def _left_out(here: PlanBody, there: PlanBody) -> tuple[LeftOut, ...]:
    # The detail is text for people with sizes or times in it, so it is not compared.
    known = {_missing(row) for row in there.left_out}
    return tuple(row for row in here.left_out if _missing(row) not in known)


def _missing(row: LeftOut) -> tuple[str, str, str, str, tuple[str, ...], str]:
    return row.host, row.reason, row.package, row.version, row.cves, row.rule
