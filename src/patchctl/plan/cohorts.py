"""Build cohorts: hosts with the same complete transaction share one list of transitions."""

from collections.abc import Iterable, Sequence

from ..models import canonical
from ..models.facts import PackageManager
from ..models.host_rules import takes_effect_by_reboot
from ..models.plan import Cohort, Transition
from .undo import classify


def ident(manager: PackageManager, transitions: tuple[Transition, ...]) -> str:
    """Return the cohort's id, `c-` and 12 hex digits of a hash of its content.

    Equal transactions have the same id in every plan.
    """
    content = canonical.digest({"manager": manager, "transitions": transitions})
    return "c-" + content.removeprefix("sha256:")[:12]


def cohort(
    manager: PackageManager, transitions: Iterable[Transition], undo_safe: Sequence[str] = ()
) -> Cohort:
    """Return the cohort of a complete transaction. Equal transactions give equal cohorts.

    `undo_safe` are globs of names, as in `undo.classify`.
    """
    rows = tuple(
        classify(transition, manager, undo_safe)
        for transition in sorted(
            transitions,
            key=lambda transition: (
                transition.package,
                transition.arch,
                transition.from_,
                transition.to,
            ),
        )
    )
    return Cohort(
        id=ident(manager, rows),
        manager=manager,
        transitions=rows,
        download_bytes=sum(
            transition.file.size for transition in rows if transition.file is not None
        ),
        reboot=any(takes_effect_by_reboot(transition.package) for transition in rows),
    )
