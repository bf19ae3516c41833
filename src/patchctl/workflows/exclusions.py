"""Which exclusions hold: of the command line, the inventory and the settings."""

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
    """The rules that hold on a day, in the order in which they count, and those that have ended."""

    rules: tuple[Exclusion, ...]
    ended: tuple[Exclusion, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each rule that has ended: what it kept back comes again."""
        return tuple(
            f"{one.rule} ended on {one.until} and excludes nothing any more:"
            f" {', '.join(one.packages)}"
            for one in self.ended
        )


def holding(settings: Settings, fleet: Fleet, day: str, given: Sequence[Exclusion] = ()) -> Holding:
    """The rules on a day (ISO date): those given with the command, then the inventory's, then those
    of the settings whose last day is not over."""
    ended = tuple(one for one in settings.exclude if one.until and one.until < day)
    lasting = tuple(one for one in settings.exclude if one not in ended)
    return Holding(rules=(*given, *exclude.rules(fleet.hosts), *lasting), ended=ended)


def given(packages: Sequence[str], reason: str) -> tuple[Exclusion, ...]:
    """The rule of `--exclude PATTERN ... --reason TEXT`, none where no package is named.

    Raises UsageError for what is no pattern, and where one is given without the other.
    """
    for one in packages:
        if not grammar.fits("package pattern", one):
            raise UsageError(
                f"--exclude {one!r} is no package name or pattern",
                hint="write a source or binary name, for example openssl or 'linux-image-*'",
            )
    if packages and not reason.strip():
        raise UsageError("--exclude needs --reason", hint="say why, for whoever reads the plan")
    if reason and not packages:
        raise UsageError("--reason without --exclude", hint="name what to leave out")
    if not packages:
        return ()
    patterns = tuple(sorted(set(packages)))
    return (Exclusion(rule="--exclude", packages=patterns, reason=reason.strip()),)


def unused(
    rules: Iterable[Exclusion],
    snapshot: Snapshot,
    hosts: Collection[str] | None,
    left_out: Iterable[LeftOut],
) -> Iterator[str]:
    """A line for each pattern of a rule that fits no installed package of the hosts (None: all) on
    which it holds, and no new one that an update was left out for: a slip of the pen lets the
    package through."""
    new = frozenset(name for one in left_out for name in one.needs)
    seen = {
        one.name: _names(one.facts)
        for one in snapshot.hosts
        if one.facts is not None and (hosts is None or one.name in hosts)
    }
    for rule in rules:
        here = [seen[name] | new for name in rule.hosts or seen if name in seen]
        for pattern in rule.packages if here else ():
            alone = replace(rule, packages=(pattern,))
            if not any(alone.fits(names) for names in here):
                yield f"{rule.rule} {pattern} fits no package that is installed on these hosts"


def _names(facts: HostFacts) -> frozenset[str]:
    return frozenset(
        name for package in facts.packages for name in (package.name, package.source) if name
    )
