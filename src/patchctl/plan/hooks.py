"""Compare the files of a plan's hooks with those of today. Pure."""

from collections.abc import Collection, Iterable, Iterator

from ..errors import InvalidInputError
from ..models.hooks import EVERYTHING
from ..models.plan import HookFile, HookMode, PlanBody
from ..models.policy import RingPolicy
from ..models.words import some

_NAMED = 3


def changed(planned: Iterable[HookFile], there: Iterable[HookFile]) -> tuple[tuple[str, str], ...]:
    """(path, what is different), sorted by path; nothing where the files are the plan's."""
    return tuple(_changes(planned, there))


def in_words(changes: tuple[tuple[str, str], ...]) -> str:
    """The first of these changes as one sentence without its end."""
    return some((f"{path} {what}" for path, what in changes), _NAMED)


def _changes(planned: Iterable[HookFile], there: Iterable[HookFile]) -> Iterator[tuple[str, str]]:
    before = {file.path: file for file in planned}
    now = {file.path: file for file in there}
    for path in sorted(before.keys() | now.keys()):
        if path not in now:
            yield path, "is missing"
        elif path not in before:
            yield path, "is new"
        elif (what := _difference(before[path], now[path])) is not None:
            yield path, what


def _difference(before: HookFile, now: HookFile) -> str | None:
    if before == now:
        return None
    if HookMode.LINK in (before.mode, now.mode):
        return "is another link" if before.mode is now.mode else "was changed"
    if before.sha256 != now.sha256:
        return "was changed"
    return f"is {'' if now.mode is HookMode.EXECUTABLE else 'not '}executable"


def refuse_unknown_groups(rings: Iterable[RingPolicy], known: Collection[str]) -> None:
    """Raise InvalidInputError where a hook sees a group that the inventory has not: a loop over
    that group would reach nobody."""
    for hook in dict.fromkeys(hook for ring in rings for hook in ring.hooks):
        for group in hook.sees:
            if group != EVERYTHING and group not in known:
                raise InvalidInputError(
                    f"the inventory has no group {group!a}",
                    where=hook.key,
                    hint="name one that `patchctl inventory graph` shows, or give that one a host",
                )


def refuse_without_digests(body: PlanBody) -> None:
    """Raise InvalidInputError for a plan that has hooks and does not say which files they are."""
    if body.hook_names and not body.hooks:
        raise InvalidInputError(
            "the plan was made before plans had the digests of their hooks"
            f" ({', '.join(body.hook_names)})",
            hint="make a new plan with `patchctl plan create`",
        )
