"""Select which updates of which hosts a plan asks for, with the reason for each one left out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import structs

from ..errors import UsageError
from ..models import grammar
from ..models.base import Record
from ..models.exclusions import Exclusion, Rules, excluding
from ..models.facts import HostFacts, Package, PendingUpdate
from ..models.fleet import Fleet, Host
from ..models.host_rules import locks_lists
from ..models.plan import LeftOut, LeftOutReason, Selection, SelectionMode
from ..models.requests import HostRequest, PackageRequest
from ..models.snapshot import HostResult, HostStatus, Snapshot
from ..models.words import count, some
from ..protocol.managers import SUPPORTED
from .managers import DECISIONS


class Chosen(Record):
    """The updates that the selected findings need.

    `packages` is host -> binary package -> the CVEs that its update should remove. `left_out` are
    selected findings that no pending update removes.
    """

    packages: dict[str, dict[str, tuple[str, ...]]]
    left_out: tuple[LeftOut, ...] = ()


class Selected(Record):
    """The result of `select`. `unmatched` are package names of the selection that no host has."""

    requests: tuple[HostRequest, ...]
    left_out: tuple[LeftOut, ...]
    unmatched: tuple[str, ...] = ()


def package_specs(packages: Iterable[str]) -> dict[str, str]:
    """Return name -> version for texts `NAME` and `NAME=VERSION`; "" where no version is given.

    Raises UsageError for any other text, and for a name that is given twice.
    """
    specs: dict[str, str] = {}
    for text in packages:
        name, equals, version = text.partition("=")
        if not grammar.is_name(name) or (equals and not grammar.is_version(version)):
            raise UsageError(
                f"--package {text!r} is not a package name",
                hint="write NAME or NAME=VERSION, for example openssl=3.0.15-1~deb12u1",
            )
        if name in specs:
            raise UsageError(f"--package {name} is given twice", hint="name it once")
        specs[name] = version
    return specs


def select(
    fleet: Fleet,
    snapshot: Snapshot,
    selection: Selection,
    limit: Collection[str] | None = None,
    chosen: Chosen | None = None,
    held: Mapping[str, str] | None = None,
    exclusions: Sequence[Exclusion] = (),
) -> Selected:
    """Return the requests for hosts, and what is left out.

    `limit` are the host names of the selection's limit, None for all. `chosen` is what mode
    `findings` selects. `held` is host -> why it is left out although it can be patched: some of its
    repositories could not be read. The first of `exclusions` that fits a package applies.

    Each host of the fleet is in a request, has at least one row in `left_out`, or both.
    """
    specs = package_specs(selection.packages)
    of_host = Rules(exclusions)
    results = {result.name: result for result in snapshot.hosts}
    requests: list[HostRequest] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    asked = chosen or Chosen(packages={})
    unhelped: dict[str, list[LeftOut]] = defaultdict(list)
    for line in asked.left_out:
        unhelped[line.host].append(line)
    for host in fleet.hosts:
        facts: HostFacts | None = None
        refusal: LeftOut | None
        if limit is not None and host.name not in limit:
            refusal = _host(host, LeftOutReason.NOT_SELECTED, "outside of --limit")
        elif (result := results.get(host.name)) is None:
            refusal = _host(host, LeftOutReason.DISCOVERY_FAILED, f"not in snapshot {snapshot.id}")
        else:
            facts = result.facts
            refusal = _unfit(host, result, (held or {}).get(host.name, ""))
        if facts is not None:
            seen.update(_names(facts) & specs.keys())
        if refusal is not None or facts is None:
            left_out.append(refusal or _host(host, LeftOutReason.DISCOVERY_FAILED, "no facts"))
            continue
        cves = asked.packages.get(host.name, {})
        rules = of_host.on(host.name)
        wanted, refused = _updates(host.name, facts, selection, specs, cves, rules)
        if held and host.name in held:
            left_out.append(_held(host, held[host.name], len(wanted)))
            continue
        refused += [_ruled(line, facts, rules) for line in unhelped[host.name]]
        left_out.extend(refused)
        if wanted and host.ring is not None:
            requests.append(
                HostRequest(
                    host=host.name,
                    ring=host.ring,
                    manager=facts.manager,
                    wanted=wanted,
                    exclusions=rules,
                    held=_excluded(facts, rules),
                )
            )
        elif all(line.reason in _NOT_ASKED_FOR for line in refused):
            left_out.append(_nothing(host, facts, selection.mode))
    return Selected(
        requests=tuple(requests),
        left_out=tuple(left_out),
        unmatched=tuple(name for name in specs if name not in seen),
    )


# Sections that discovery must have read completely before a host is patched, with their names.
_MUST_BE_READ = {
    "pending": "pending updates",
    "unfinished": "unfinished package operations",
    "filesystems": "free space",
}
_NAMED = 3
_NOT_ASKED_FOR = frozenset(
    {LeftOutReason.NOT_SECURITY, LeftOutReason.NO_ADVISORIES, LeftOutReason.NOT_SELECTED}
)
_NOTHING = {
    SelectionMode.SECURITY: "no security update is pending",
    SelectionMode.ALL: "no update is pending",
    SelectionMode.PACKAGE: "none of the packages has an update",
}


def _nothing(host: Host, facts: HostFacts, mode: SelectionMode) -> LeftOut:
    if mode is SelectionMode.FINDINGS:
        return _host(host, LeftOutReason.NO_FINDING, "")
    unknown = _without_advisories(facts) if mode is SelectionMode.SECURITY else ""
    return _host(host, LeftOutReason.NO_UPDATES, _NOTHING[mode] + unknown)


def _without_advisories(facts: HostFacts) -> str:
    """Return a note that names the repositories without advisories; "" where all have some."""
    names = [repository.repository for repository in facts.lists if not repository.advisories]
    if not names:
        return ""
    named = some(names, _NAMED)
    return f" as far as is known: no advisories in {named}; --cve, --decision select by findings"


def _host(host: Host, reason: LeftOutReason, detail: str) -> LeftOut:
    return LeftOut(host=host.name, reason=reason, detail=detail)


def _held(host: Host, why: str, updates: int) -> LeftOut:
    known = f" ({count(updates, 'known update')} not planned)" if updates else ""
    return _host(host, LeftOutReason.STALE_LISTS, f"{why}{known}")


def _unfit(host: Host, result: HostResult, held: str) -> LeftOut | None:
    """Return why no update of the host can be planned, None where some may be.

    `held` is the reason why the policy leaves the host out, "" where it does not.
    """
    facts = result.facts
    if host.ring is None:
        return _host(host, LeftOutReason.NO_RING, host.ring_reason)
    if result.status is HostStatus.UNREACHABLE:
        return _host(host, LeftOutReason.UNREACHABLE, result.reason)
    if result.status is HostStatus.FAILED or facts is None:
        return _host(host, LeftOutReason.DISCOVERY_FAILED, result.reason)
    if facts.manager not in SUPPORTED:
        return _host(
            host,
            LeftOutReason.UNSUPPORTED_MANAGER,
            f"package manager {facts.manager} of {facts.os.id} {facts.os.version_id}".rstrip(),
        )
    if held and "pending" in facts.unread:
        return _held(host, held, updates=0)
    for unread, what in _MUST_BE_READ.items():
        if unread in facts.unread:
            return _host(host, LeftOutReason.DISCOVERY_FAILED, f"its {what} could not be read")
    if not facts.as_root:
        detail = "it was looked at without root; become must give root"
        return _host(host, LeftOutReason.NOT_ROOT, detail)
    if half := _half_installed(facts):
        # A half-installed package is normal while somebody else runs the package manager.
        busy = next((lock.words for lock in facts.locks if not locks_lists(lock.file)), "")
        reason = LeftOutReason.LOCKED if busy else LeftOutReason.HALF_INSTALLED
        return _host(host, reason, busy or half)
    return None


def _half_installed(facts: HostFacts) -> str:
    """Return the packages that were not installed completely, with the remedy; "" for none."""
    unfinished = [
        f"{package.name} ({package.status})" for package in facts.packages if package.status
    ]
    unfinished += facts.unfinished
    repair = DECISIONS[facts.manager].repair
    return f"{some(unfinished, _NAMED)}; `{repair}` there finishes it" if unfinished else ""


def _names(facts: HostFacts) -> set[str]:
    new = {update.name for update in facts.pending if update.replaces}
    return new | {
        name for package in facts.packages for name in (package.name, package.source) if name
    }


def _updates(
    host: str,
    facts: HostFacts,
    selection: Selection,
    specs: Mapping[str, str],
    cves: Mapping[str, tuple[str, ...]],
    rules: Sequence[Exclusion],
) -> tuple[tuple[PackageRequest, ...], list[LeftOut]]:
    installed = {(package.name, package.arch): package for package in facts.packages}
    wanted: list[PackageRequest] = []
    refused: list[LeftOut] = []
    for update in _asked_versions(facts, specs):
        package = installed.get((update.name, update.arch))
        reason: LeftOutReason | None
        rule: Exclusion | None = None
        if selection.mode is SelectionMode.FINDINGS and update.name not in cves:
            reason, detail = LeftOutReason.NOT_SELECTED, ""
        else:
            reason, detail = _refusal(facts, update, package, selection, specs)
        if reason not in _NOT_ASKED_FOR and (rule := excluding(rules, _both(update, package))):
            reason, detail = LeftOutReason.EXCLUDED, rule.text
        if reason is None:
            wanted.append(
                PackageRequest(package=update.name, arch=update.arch, version=update.candidate)
            )
        else:
            refused.append(
                LeftOut(
                    host=host,
                    reason=reason,
                    package=update.name,
                    version=update.candidate,
                    detail=detail,
                    cves=cves.get(update.name, ()),
                    rule=rule.rule if rule else "",
                )
            )
    taken = {(request.package, request.version) for request in wanted}
    refused += [
        line
        for line in _hidden(host, facts, selection.mode, specs, rules)
        if (line.package, line.version) not in taken
    ]
    return tuple(wanted), refused


def _hidden(
    host: str,
    facts: HostFacts,
    mode: SelectionMode,
    specs: Mapping[str, str],
    rules: Sequence[Exclusion],
) -> Iterator[LeftOut]:
    """Yield security updates that are not pending because the host prefers another version.

    Where an exclusion fits, that is the reason given: then nobody has to change the host.
    """
    sources = {(package.name, package.arch): package.source for package in facts.packages}
    for update in facts.hidden:
        names = {update.name, sources.get((update.name, update.arch), "")}
        if mode is SelectionMode.FINDINGS or (
            mode is SelectionMode.PACKAGE and not names & specs.keys()
        ):
            continue
        rule = excluding(rules, names)
        pinned = f"{update.by}, which keeps it at {update.installed}"
        yield LeftOut(
            host=host,
            reason=LeftOutReason.EXCLUDED if rule else LeftOutReason.PINNED,
            package=update.name,
            version=update.version,
            detail=rule.text if rule else pinned,
            rule=rule.rule if rule else "",
        )


def _ruled(line: LeftOut, facts: HostFacts, rules: Sequence[Exclusion]) -> LeftOut:
    """Return the row of a finding; as excluded where rules exclude each hidden update for it."""
    if line.reason is not LeftOutReason.PINNED:
        return line
    sources = {(package.name, package.arch): package.source for package in facts.packages}
    matching = [
        excluding(rules, (update.name, line.package))
        for update in facts.hidden
        if line.package in (update.name, sources.get((update.name, update.arch)))
    ]
    if not matching or (rule := matching[0]) is None or None in matching:
        return line
    return structs.replace(line, reason=LeftOutReason.EXCLUDED, detail=rule.text, rule=rule.rule)


def _both(update: PendingUpdate, package: Package | None) -> tuple[str, ...]:
    """Return the names by which an exclusion may name the update's package: binary and source."""
    return (update.name, package.source) if package is not None else (update.name,)


def _excluded(facts: HostFacts, rules: Sequence[Exclusion]) -> tuple[PackageRequest, ...]:
    """Return the installed packages that rules exclude: no transaction may change them.

    Packages outside of the grammar are left out, because no plan can change them.
    """
    return tuple(
        PackageRequest(package=package.name, arch=package.arch, version=package.version)
        for package in sorted(
            facts.packages, key=lambda package: (package.name, package.arch, package.version)
        )
        if rules and excluding(rules, (package.name, package.source)) and _is_of_a_plan(package)
    )


def _is_of_a_plan(package: Package) -> bool:
    name, arch, version = package.name, package.arch, package.version
    return grammar.is_name(name) and grammar.is_arch(arch) and grammar.is_version(version)


def _asked_versions(facts: HostFacts, specs: Mapping[str, str]) -> Iterator[PendingUpdate]:
    """Yield pending updates, and updates to the versions that `specs` asks for, sorted by name."""
    rows = {(update.name, update.arch): update for update in facts.pending}
    for package in facts.packages:
        version = specs.get(package.name) or specs.get(package.source)
        pending = rows.get((package.name, package.arch))
        if not version or (pending is not None and pending.candidate == version):
            continue
        rows.pop((package.name, package.arch), None)
        if package.version != version:
            rows[package.name, package.arch] = PendingUpdate(
                name=package.name,
                arch=package.arch,
                installed=package.version,
                candidate=version,
            )
    for key in sorted(rows):
        yield rows[key]


def _refusal(
    facts: HostFacts,
    update: PendingUpdate,
    package: Package | None,
    selection: Selection,
    specs: Mapping[str, str],
) -> tuple[LeftOutReason | None, str]:
    source = package.source if package is not None else ""
    mode = selection.mode
    if mode is SelectionMode.PACKAGE and not {update.name, source} & specs.keys():
        return LeftOutReason.NOT_SELECTED, ""
    if mode is SelectionMode.SECURITY and not update.security:
        return _no_security_update(facts, update)
    if package is not None and package.held:
        return LeftOutReason.HELD, DECISIONS[facts.manager].held
    if update.deferred and not selection.phased and not _is_named(update, source, specs):
        return LeftOutReason.PHASED, _phase(update)
    if DECISIONS[facts.manager].signed_lists and not _trusted(facts, update):
        return LeftOutReason.NOT_TRUSTED, _origin(update)
    if not (
        grammar.is_name(update.name)
        and grammar.is_arch(update.arch)
        and grammar.is_version(update.candidate)
    ):
        return LeftOutReason.RESOLVE_FAILED, "name or version is outside of the grammar"
    return None, ""


def _no_security_update(facts: HostFacts, update: PendingUpdate) -> tuple[LeftOutReason, str]:
    """Return why it is no security update: it is none, or its repository has no advisories."""
    silent = {repository.repository for repository in facts.lists if not repository.advisories}
    if update.origin in silent:
        return LeftOutReason.NO_ADVISORIES, f"{update.origin} publishes none"
    return LeftOutReason.NOT_SECURITY, ""


def _is_named(update: PendingUpdate, source: str, specs: Mapping[str, str]) -> bool:
    """Return whether the selection asks for exactly this version."""
    return update.candidate in (specs.get(update.name), specs.get(source))


def _phase(update: PendingUpdate) -> str:
    if update.phased == 100:
        return "it waits for a phased update; --phased takes both"
    return f"{update.phased} % of machines get it by now, not this one; --phased takes it"


def _trusted(facts: HostFacts, update: PendingUpdate) -> bool:
    """Return False where all repositories with the update's release are known to be unsigned.

    For a release that discovery did not list, the resolve step asks the host.
    """
    of_release = [
        repository.trusted
        for repository in facts.repositories
        if (repository.origin, repository.label, repository.codename)
        == (update.origin, update.label, update.codename)
    ]
    return any(of_release) or not of_release


def _origin(update: PendingUpdate) -> str:
    return ":".join(part for part in (update.label or update.origin, update.codename) if part)
