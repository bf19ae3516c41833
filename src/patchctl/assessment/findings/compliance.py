"""Check that a host is as its run promised: versions, running code, and the CVEs to be fixed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from ...models.assessment import Finding, FindingState
from ...models.facts import HostFacts, Package, PackageManager
from ...models.plan import Action, Transition
from ...models.verification import (
    BrokenPackage,
    ExpectedState,
    PackageProblem,
    VerifiedHost,
    VerifiedState,
)
from ...models.versions import VersionScheme
from ...models.words import more
from ..matching.builds import stem
from ..versions import InvalidVersionError, key
from .fixed_cves import in_order

SCHEMES = {PackageManager.APT: VersionScheme.DEB, PackageManager.DNF: VersionScheme.RPM}
_NAMED = 3


def check(
    expected: ExpectedState,
    facts: HostFacts,
    findings: Iterable[Finding] = (),
    built: Mapping[str, frozenset[str]] | None = None,
) -> VerifiedHost:
    """Compare the expected state of a host with the facts that discovery collected.

    `findings` are those of the host, none where no feeds are held. `built` maps a source package,
    as findings name it, to the installed binaries that are built from it.
    """
    broken = tuple(_broken(expected.transitions, facts))
    open_findings = _open(expected.transitions, findings, built or {})
    old_code = [*_old_code(expected.transitions, facts)]
    pending = [finding for finding in open_findings if finding.state is FindingState.NOT_EFFECTIVE]
    if broken:
        state, why = VerifiedState.BROKEN, [in_words(problem) for problem in broken]
    elif old_code or pending:
        state, why = VerifiedState.NOT_EFFECTIVE, old_code or [_note(pending[0])]
    elif open_findings:
        state, why = VerifiedState.OPEN, ["the feeds still find what it was to remove"]
    else:
        state, why = VerifiedState.OK, []
    return VerifiedHost(
        name=expected.host,
        run=expected.run,
        state=state,
        packages=broken,
        open_cves=in_order({finding.cve for finding in open_findings}),
        reason="; ".join((*why[:_NAMED], *_more(why), *filter(None, (expected.later,)))),
    )


def _more(why: list[str]) -> list[str]:
    return [more(len(why) - _NAMED)] if len(why) > _NAMED else []


def _note(finding: Finding) -> str:
    notes = [
        package.note for package in finding.packages if package.state is FindingState.NOT_EFFECTIVE
    ]
    return notes[0] if notes and notes[0] else "the fix is installed, but old code runs"


# --- versions -----------------------------------------------------------------------------------


def _broken(transitions: Iterable[Transition], facts: HostFacts) -> Iterator[BrokenPackage]:
    installed: dict[str, list[Package]] = defaultdict(list)
    kin: dict[tuple[str, str], list[Package]] = defaultdict(list)
    for package in facts.packages:
        installed[package.name].append(package)
        kin[package.source, stem(package.name)].append(package)
    scheme = SCHEMES.get(facts.manager)
    for transition in transitions:
        same = [
            package
            for package in installed[transition.package]
            if _fits(package.arch, transition.arch)
        ]
        if transition.action is Action.REMOVE:
            if same:
                yield _broken_package(transition, same[0], PackageProblem.BACK)
            continue
        # Where the name contains the version (kernels, libraries), a later update brings a package
        # with another name, and the old one is removed.
        later = [
            package
            for package in kin[transition.source or transition.package, stem(transition.package)]
            if package.name != transition.package and not same
        ]
        problems = [_problem(transition.to, package, scheme) for package in same]
        well = None in problems or any(
            _problem(transition.to, package, scheme) is None for package in later
        )
        if not well:
            problem = problems[0] if problems and problems[0] else PackageProblem.MISSING
            yield _broken_package(transition, same[0] if same else None, problem)


def _fits(arch: str, expected: str) -> bool:
    # A package may change between `all` and the machine's architecture from one version to another.
    return arch == expected or "all" in (arch, expected) or "noarch" in (arch, expected)


def _problem(
    expected: str, package: Package, scheme: VersionScheme | None
) -> PackageProblem | None:
    if package.status:
        return PackageProblem.HALF_INSTALLED
    if package.version == expected:
        return None
    try:
        older = scheme is None or key(scheme, package.version) < key(scheme, expected)
    except InvalidVersionError:
        older = True
    return PackageProblem.OLDER if older else None


def _broken_package(
    transition: Transition, package: Package | None, problem: PackageProblem
) -> BrokenPackage:
    return BrokenPackage(
        package=transition.package,
        arch=transition.arch,
        promised=transition.to,
        found=package.version if package is not None else "",
        problem=problem,
        status=package.status if package is not None else "",
    )


def in_words(package: BrokenPackage) -> str:
    """One line: the package, the promised version, and the one that is installed."""
    match package.problem:
        case PackageProblem.MISSING:
            return f"{package.package}: {package.promised} was promised, it is not installed"
        case PackageProblem.BACK:
            return f"{package.package}: its removal was promised, {package.found} is installed"
        case PackageProblem.HALF_INSTALLED:
            state = f"{package.found} is not fully installed ({package.status})"
            return f"{package.package}: {package.promised} was promised, {state}"
        case PackageProblem.OLDER:
            return (
                f"{package.package}: {package.promised} was promised, {package.found} is installed"
            )


# --- effect -------------------------------------------------------------------------------------


def _old_code(transitions: Collection[Transition], facts: HostFacts) -> Iterator[str]:
    """Why the installed code does not run yet, as far as the promised packages are the cause."""
    names = {name for transition in transitions for name in (transition.package, transition.source)}
    asking = set(facts.reboot_packages)
    if facts.reboot_required and (not asking or asking & names):
        by = f" for {', '.join(sorted(asking & names))}" if asking else ""
        yield f"reboot required{by}"
    installed = {(package.name, package.version) for package in facts.packages}
    runs: dict[str, set[str]] = defaultdict(set)
    for process in facts.stale_processes:
        for mapped in process.packages:
            # Where the same version was installed again, the process runs the same code.
            if mapped.name in names and (mapped.name, mapped.version) not in installed:
                runs[process.unit or process.command].add(mapped.name)
    for unit in sorted(runs):
        yield f"{unit} still runs the old {', '.join(sorted(runs[unit]))}"


def _open(
    transitions: Iterable[Transition],
    findings: Iterable[Finding],
    built: Mapping[str, frozenset[str]],
) -> list[Finding]:
    """Findings of CVEs in the same packages in which the run was to fix them."""
    promised: dict[str, set[str]] = defaultdict(set)
    for transition in transitions:
        for cve in transition.cves:
            promised[cve].update((transition.package, transition.source))
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
