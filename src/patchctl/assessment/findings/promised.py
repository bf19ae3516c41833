"""Is a host as a run promised: versions, what really runs, and the CVEs that were to go."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from ...models.assessment import Finding, FindingState
from ...models.facts import HostFacts, Package, PackageManager
from ...models.plan import Action, Transition
from ...models.verification import (
    BrokenPackage,
    PackageProblem,
    Promise,
    VerifiedHost,
    VerifiedState,
)
from ...models.versions import VersionScheme
from ...models.words import more
from ..matching.builds import stem
from ..versions import InvalidVersionError, key
from .removals import in_order

_SCHEMES = {PackageManager.APT: VersionScheme.DEB, PackageManager.DNF: VersionScheme.RPM}
_NAMED = 3


def check(
    promise: Promise,
    facts: HostFacts,
    findings: Iterable[Finding] = (),
    built: Mapping[str, frozenset[str]] | None = None,
) -> VerifiedHost:
    """The host by what discovery saw of it.

    `findings` are the host's, none where no feeds are held; `built` tells from which source, as
    findings name it, an installed binary is built.
    """
    broken = tuple(_broken(promise.transitions, facts))
    open_findings = _open(promise.transitions, findings, built or {})
    old_code = [*_old_code(promise.transitions, facts)]
    pending = [one for one in open_findings if one.state is FindingState.NOT_EFFECTIVE]
    if broken:
        state, why = VerifiedState.BROKEN, [in_words(one) for one in broken]
    elif old_code or pending:
        state, why = VerifiedState.NOT_EFFECTIVE, old_code or [_note(pending[0])]
    elif open_findings:
        state, why = VerifiedState.OPEN, ["the feeds still find what it was to remove"]
    else:
        state, why = VerifiedState.OK, []
    return VerifiedHost(
        name=promise.host,
        run=promise.run,
        state=state,
        packages=broken,
        open_cves=in_order({one.cve for one in open_findings}),
        reason="; ".join((*why[:_NAMED], *_more(why), *filter(None, (promise.later,)))),
    )


def _more(why: list[str]) -> list[str]:
    return [more(len(why) - _NAMED)] if len(why) > _NAMED else []


def _note(finding: Finding) -> str:
    notes = [one.note for one in finding.packages if one.state is FindingState.NOT_EFFECTIVE]
    return notes[0] if notes and notes[0] else "the fix is installed, but old code runs"


# --- versions -----------------------------------------------------------------------------------


def _broken(transitions: Iterable[Transition], facts: HostFacts) -> Iterator[BrokenPackage]:
    installed: dict[str, list[Package]] = defaultdict(list)
    kin: dict[tuple[str, str], list[Package]] = defaultdict(list)
    for package in facts.packages:
        installed[package.name].append(package)
        kin[package.source, stem(package.name)].append(package)
    scheme = _SCHEMES.get(facts.manager)
    for one in transitions:
        same = [package for package in installed[one.package] if _fits(package.arch, one.arch)]
        if one.action is Action.REMOVE:
            if same:
                yield _said(one, same[0], PackageProblem.BACK)
            continue
        # Where a version is a part of the name (kernels, libraries), a later update brings another
        # name, and the old one goes.
        later = [
            package
            for package in kin[one.source or one.package, stem(one.package)]
            if package.name != one.package and not same
        ]
        problems = [_problem(one.to, package, scheme) for package in same]
        well = None in problems or any(_problem(one.to, it, scheme) is None for it in later)
        if not well:
            problem = problems[0] if problems and problems[0] else PackageProblem.MISSING
            yield _said(one, same[0] if same else None, problem)


def _fits(found: str, promised: str) -> bool:
    # A package may change between `all` and the machine's architecture from one version to another.
    return found == promised or "all" in (found, promised) or "noarch" in (found, promised)


def _problem(
    promised: str, package: Package, scheme: VersionScheme | None
) -> PackageProblem | None:
    if package.status:
        return PackageProblem.HALF_INSTALLED
    if package.version == promised:
        return None
    try:
        older = scheme is None or key(scheme, package.version) < key(scheme, promised)
    except InvalidVersionError:
        older = True
    return PackageProblem.OLDER if older else None


def _said(one: Transition, package: Package | None, problem: PackageProblem) -> BrokenPackage:
    return BrokenPackage(
        package=one.package,
        arch=one.arch,
        promised=one.to,
        found=package.version if package is not None else "",
        problem=problem,
        status=package.status if package is not None else "",
    )


def in_words(one: BrokenPackage) -> str:
    """Package, promised, found."""
    match one.problem:
        case PackageProblem.MISSING:
            return f"{one.package}: {one.promised} was promised, it is not installed"
        case PackageProblem.BACK:
            return f"{one.package}: its removal was promised, {one.found} is installed"
        case PackageProblem.HALF_INSTALLED:
            state = f"{one.found} is not fully installed ({one.status})"
            return f"{one.package}: {one.promised} was promised, {state}"
        case PackageProblem.OLDER:
            return f"{one.package}: {one.promised} was promised, {one.found} is installed"


# --- effect -------------------------------------------------------------------------------------


def _old_code(transitions: Collection[Transition], facts: HostFacts) -> Iterator[str]:
    """Why what is installed does not run, as far as the promised packages are the cause."""
    mine = {name for one in transitions for name in (one.package, one.source)}
    asking = set(facts.reboot_packages)
    if facts.reboot_required and (not asking or asking & mine):
        by = f" for {', '.join(sorted(asking & mine))}" if asking else ""
        yield f"reboot required{by}"
    installed = {(package.name, package.version) for package in facts.packages}
    runs: dict[str, set[str]] = defaultdict(set)
    for process in facts.stale_processes:
        for mapped in process.packages:
            # A package that was installed again in its version runs the same code.
            if mapped.name in mine and (mapped.name, mapped.version) not in installed:
                runs[process.unit or process.command].add(mapped.name)
    for unit in sorted(runs):
        yield f"{unit} still runs the old {', '.join(sorted(runs[unit]))}"


def _open(
    transitions: Iterable[Transition],
    findings: Iterable[Finding],
    built: Mapping[str, frozenset[str]],
) -> list[Finding]:
    """Promised CVEs that are found in the very packages that were to lose them."""
    promised: dict[str, set[str]] = defaultdict(set)
    for one in transitions:
        for cve in one.cves:
            promised[cve].update((one.package, one.source))
    return [
        finding
        for finding in findings
        if finding.state is not FindingState.WAIVED
        and any(
            promised[finding.cve] & {package.source, *built.get(package.source, ())}
            for package in finding.packages
            if finding.cve in promised
        )
    ]
