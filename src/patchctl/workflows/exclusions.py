"""Collect the exclusions that hold: of the command line, the inventory and the settings."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from ..errors import UsageError
from ..inventory import exclude
from ..models import grammar
from ..models.base import Record
from ..models.exclusions import Exclusion
from ..models.facts import HostFacts
from ..models.fleet import Fleet
from ..models.plan import LeftOut
from ..models.settings import Settings
from ..models.snapshot import Snapshot


class Holding(Record):
    """The rules that hold on a day, the first that fits counts, and those that have ended."""

    rules: tuple[Exclusion, ...]
    ended: tuple[Exclusion, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each rule that has ended: plans take its packages again."""
        return tuple(
            f"{rule.rule} ended on {rule.until} and excludes nothing any more:"
            f" {', '.join(rule.packages)}"
            for rule in self.ended
        )


def holding(
    settings: Settings, fleet: Fleet, day: str, of_options: Sequence[Exclusion] = ()
) -> Holding:
    """Return the rules on a day (ISO date): those of the command, then those of the inventory, then
    those of the settings whose last day is not over."""
    ended = tuple(rule for rule in settings.exclude if rule.until and rule.until < day)
    lasting = tuple(rule for rule in settings.exclude if rule not in ended)
    return Holding(rules=(*of_options, *exclude.rules(fleet.hosts), *lasting), ended=ended)


def of_options(packages: Sequence[str], reason: str) -> tuple[Exclusion, ...]:
    """Return the rule of `--exclude PATTERN ... --reason TEXT`, none where no package is named.

    Raises UsageError for an invalid pattern, and for one option without the other.
    """
    for pattern in packages:
        if not grammar.fits("package pattern", pattern):
            raise UsageError(
                f"--exclude {pattern!r} is not a package name or pattern",
                hint="write a source or binary name, for example openssl or 'linux-image-*'",
            )
    if packages and not reason.strip():
        raise UsageError("--exclude needs --reason", hint="say why, for whoever reads the plan")
    if reason and not packages:
        raise UsageError("--reason without --exclude", hint="name what to leave out")
    if not packages:
        return ()
    distinct = tuple(sorted(set(packages)))
    return (Exclusion(rule="--exclude", packages=distinct, reason=reason.strip()),)


def unused(
    rules: Iterable[Exclusion],
    snapshot: Snapshot,
    hosts: Collection[str] | None,
    left_out: Iterable[LeftOut],
) -> Iterator[str]:
    """Yield a line for each pattern that fits no package: neither an installed one of the hosts
    (None: all) where its rule holds, nor a new one that an update would need. A pattern with a
    typing mistake would let its package through."""
    needed = frozenset(name for update in left_out for name in update.needs)
    names_by_host = {
        host.name: _names(host.facts)
        for host in snapshot.hosts
        if host.facts is not None and (hosts is None or host.name in hosts)
    }
    for rule in rules:
        package_names = [
            names_by_host[name] | needed
            for name in rule.hosts or names_by_host
            if name in names_by_host
        ]
        for pattern in rule.packages if package_names else ():
            single = replace(rule, packages=(pattern,))
            if not any(single.fits(names) for names in package_names):
                yield f"{rule.rule} {pattern} fits no package that is installed on these hosts"


def _names(facts: HostFacts) -> frozenset[str]:
    return frozenset(
        name for package in facts.packages for name in (package.name, package.source) if name
    )
