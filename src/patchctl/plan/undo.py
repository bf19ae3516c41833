"""Decide before a rollout whether a transition can be undone automatically, with the reason."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from ..models.facts import PackageManager
from ..models.kernel_names import may_be_kernel
from ..models.plan import Action, Transition, Undo
from .managers import DECISIONS

# The suffix of a distribution on a version without a Debian revision: `20230311+deb12u1`.
_DISTRIBUTION_SUFFIX = re.compile(
    r"(?:[+~](?:deb|nmu|b|rpi|bpo)[0-9][0-9A-Za-z.+~]*|ubuntu[0-9.]+)$"
)


def classify(
    transition: Transition, manager: PackageManager, safe: Iterable[str] = ()
) -> Transition:
    """Return the transition with its `undo` and `undo_reason`.

    `safe` are globs of binary or source names that the policy allows to be downgraded.
    """
    reason = _why_unsafe(transition, manager)
    if not reason or _any(transition.package, safe) or _any(transition.source, safe):
        return msgspec.structs.replace(transition, undo=Undo.SAFE, undo_reason="")
    return msgspec.structs.replace(transition, undo=Undo.UNSAFE, undo_reason=reason)


def _why_unsafe(transition: Transition, manager: PackageManager) -> str:
    if may_be_kernel(transition.package, transition.source):
        return "kernel"
    for kind in DECISIONS[manager].unsafe:
        if _any(transition.package, kind.packages) or _any(transition.source, kind.sources):
            return kind.reason
    if transition.action is Action.REMOVE:
        return "removed package"
    if transition.from_ and upstream(transition.from_) != upstream(transition.to):
        return "new upstream version"
    return ""


def _any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def upstream(version: str) -> str:
    """Return the upstream part of a deb or rpm version: no epoch, revision, distribution suffix.

    >>> upstream("1:3.0.20-1~deb12u2"), upstream("20230311+deb12u1"), upstream("5.36.0-7+b1")
    ('3.0.20', '20230311', '5.36.0')
    """
    text = version.partition(":")[2] or version
    head, dash, _ = text.rpartition("-")
    return _DISTRIBUTION_SUFFIX.sub("", head if dash else text)
