"""Read what a host's package manager would do: the lines that all managers share.

    resolve 1 MANAGER
    error TEXT                               it failed; all other lines are ignored then
    lock PID FILE PROCESS                    who holds a lock of the package manager
    drop WHY PACKAGE ARCH VERSION | DETAIL   an update that was requested and is not possible; for
                                             WHY `excluded` DETAIL is the excluded packages, as
                                             BINARY/SOURCE
    KIND REST                                lines of the manager, in any number and order
    end

The text comes from a host. Text outside of the grammar is an error of that host alone.
`managers.py` reads a whole answer, with the module of the host's package manager.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..models.exclusions import excluding
from ..models.grammar import ARCH, NAME, VERSION, is_name
from ..models.plan import LeftOut, LeftOutReason
from ..models.requests import HostRequest
from ..models.resolution import Resolution
from . import locks
from .cleaning import sentence

_DROP = re.compile(rf"(removes|failed|excluded) ({NAME}) ({ARCH}) ({VERSION}) \|(?: (.*))?")
_DROPPED = {"removes": LeftOutReason.REMOVES_PACKAGE, "failed": LeftOutReason.RESOLVE_FAILED}


class UnreadableError(ValueError):
    """The answer does not have the form that the script writes."""


@dataclass
class Answer:
    """The shared lines of an answer, read. `lines` are the manager's: (line number, kind, rest)."""

    error: str = ""
    locked: str = ""
    dropped: list[LeftOut] = field(default_factory=list)
    lines: list[tuple[int, str, str]] = field(default_factory=list)


def take_apart(request: HostRequest, text: str) -> Answer:
    """Read the shared lines of the answer of the resolve script.

    Raises UnreadableError where the answer is from another manager, is cut off, or one of these
    lines is wrong.
    """
    rows = text.removesuffix("\n").split("\n")
    if rows[0] != f"resolve 1 {request.manager}":
        raise UnreadableError("the resolve script gave no answer")
    if rows[-1] != "end":
        raise UnreadableError("the answer of the resolve script is cut off")
    answer = Answer()
    for number, line in enumerate(rows[1:-1], start=2):
        kind, _, rest = line.partition(" ")
        if kind == "error":
            answer.error = sentence(rest) or "the package manager refuses"
        elif kind == "lock":
            answer.locked = answer.locked or _holder(rest, number)
        elif kind == "drop":
            answer.dropped.append(_dropped(request, rest, number))
        else:
            answer.lines.append((number, kind, rest))
    return answer


def _holder(text: str, number: int) -> str:
    lock = locks.read(text)
    if lock is None:
        raise UnreadableError(f"line {number} of the resolve answer names nobody")
    return lock.words


def _dropped(request: HostRequest, rest: str, number: int) -> LeftOut:
    why, name, _, version, detail = groups(_DROP, rest, number)
    reason = sentence(detail)
    if why == "excluded":
        return _needs_excluded(request, name, version, reason.split())
    if why == "removes":
        reason = f"would remove {', '.join(reason.split())}"
    return LeftOut(
        host=request.host,
        reason=_DROPPED[why],
        package=name,
        version=version,
        detail=reason or "the package manager refuses it",
    )


def _needs_excluded(request: HostRequest, name: str, version: str, pairs: Sequence[str]) -> LeftOut:
    """Return an update that is left out because it would change excluded packages, each
    `BINARY/SOURCE`. Raises UnreadableError where a package is not excluded.
    """
    named = [tuple(pair.partition("/")[::2]) for pair in pairs]
    rules = [
        rule
        for pair in named
        if all(map(is_name, pair)) and (rule := excluding(request.exclusions, pair))
    ]
    if len(rules) != len(named) or not rules:
        raise UnreadableError(f"{name} is left out for a package that nothing excludes")
    needs = tuple(dict.fromkeys(binary for binary, _ in named))
    texts = "; ".join(dict.fromkeys(rule.text for rule in rules))
    return LeftOut(
        host=request.host,
        reason=LeftOutReason.EXCLUDED,
        package=name,
        version=version,
        detail=f"needs {', '.join(needs)}, excluded by {texts}",
        rule=rules[0].rule,
        needs=needs,
    )


def groups(pattern: re.Pattern[str], text: str, number: int) -> tuple[str, ...]:
    """Match the pattern against the whole rest of line `number` and return its groups, "" for a
    group without a match.

    Raises UnreadableError where it does not match.
    """
    match = pattern.fullmatch(text)
    if match is None:
        raise UnreadableError(
            f"line {number} of the resolve answer is unreadable: {sentence(text)[:80]!r}"
        )
    return match.groups(default="")


def check_complete(request: HostRequest, resolution: Resolution) -> None:
    """Raise UnreadableError where a requested update is neither in the transitions nor dropped."""
    if resolution.unusable:
        return  # the host is asked again without them
    dropped = {(line.package, line.version) for line in resolution.dropped}
    reached = {(transition.package, transition.to) for transition in resolution.transitions}
    for wanted in request.wanted:
        key = (wanted.package, wanted.version)
        if key not in dropped and key not in reached:
            raise UnreadableError(
                f"{wanted.package} would not come to {wanted.version}; discover the host again"
            )


def failed(request: HostRequest, error: str, *, locked: str = "") -> Resolution:
    """Return the resolution of a host whose package manager could not say what it would do."""
    return Resolution(host=request.host, manager=request.manager, error=error, locked=locked)
