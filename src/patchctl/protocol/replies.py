"""Read the answer of a stage's script into a HostOutcome. Pure.

The text is hostile until it was read here. An answer with any line of unknown form is a failure
with the reason "the host answered nonsense", never an exception.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..models.rollout import HostOutcome, OutcomeStatus
from . import locks
from .cleaning import TEXT_MAX, cleaned

LINES_MAX = 20_000
LINE_MAX = 2_000
ROWS_MAX = 2_000
# These lists may be longer, since each of their rows is compared with the plan.
_WHOLE = frozenset({"packages", "old"})
_WORD = re.compile(r"[A-Za-z0-9@+._:~^-]{1,255}")
_NUMBER = re.compile(r"-?[0-9]{1,12}")
_CHECK = re.compile(r"([a-z][a-z-]{0,39}|probe:[0-9]{1,4}) (ok|note|skipped|failed)(?: (.*))?")
_COUNT = re.compile(r"([a-z]{1,20}) ([0-9]{1,9})")
_EDITED = re.compile(r"(/.{1,4096}) (/var/lib/patchctl/.{1,4096}|-)")
_CONFIG = re.compile(r"(/.{1,1000}) (/.{1,1000}|-)")
_MISSING = re.compile(r"(new|old) (\S{1,304}) ([0-9a-f]{64}) ([0-9]{1,12})")
_ANSWERS = frozenset({"ok", "failed", "running", "missing", "locked"})


class Nonsense(Exception):
    """A line that none of the scripts prints. Only this module catches it."""


@dataclass
class Reply:
    """The parts of an answer. `missing` are SHA-256 of files that the host lacks; `probes` is the
    result of each probe by its number, from 1. `output` is the end of what a job printed: it is no
    evidence, and does not go into the journal.
    """

    answer: str = ""
    reason: str = ""
    missing: list[str] = field(default_factory=list)
    probes: dict[int, str] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)


def parse(text: str, question: str, probes: Sequence[str] = ()) -> Reply:
    """Parse the answer to a question, `STAGE TRANSACTION`, which the host must repeat first.

    `probes` are their names; the script numbers them from 1. Text of another form gives a `failed`
    reply that says so.
    """
    reply = Reply()
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    try:
        if not lines or len(lines) > LINES_MAX:
            raise Nonsense("no answer" if not lines else "too many lines")
        if lines[0] != f"question {question}":
            raise Nonsense("the answer to another question")
        for line in lines[1:]:
            if reply.answer:
                raise Nonsense("text after the answer")
            _take(reply, line, probes)
        if not reply.answer:
            raise Nonsense("the answer is not complete")
    except Nonsense as error:
        return Reply(answer="failed", reason=f"the host answered nonsense: {error}")
    reply.reason = _with_names(reply)
    return reply


def _with_names(reply: Reply) -> str:
    """Return the reason, with the names of failed probes, which the host does not know."""
    failed = [check for check in reply.evidence.get("checks", ()) if not check["ok"]]
    if not any(check["name"].startswith("probe ") for check in failed):
        return reply.reason
    texts = (
        f"{check['name']}: {check['detail']}"
        if check["name"].startswith("probe ")
        else check["detail"] or check["name"]
        for check in failed
    )
    return "; ".join(texts)[:TEXT_MAX]


def outcome(shard: str, host: str, reply: Reply) -> HostOutcome:
    """Return the reply as the engine gets it. An answer `missing` is a failure there."""
    status = {
        "ok": OutcomeStatus.OK,
        "running": OutcomeStatus.RUNNING,
        "locked": OutcomeStatus.LOCKED,
    }.get(reply.answer, OutcomeStatus.FAILED)
    reason = reply.reason
    if status is OutcomeStatus.LOCKED:
        # Report only the first lock: apt-get holds it all the time and starts dpkg many times,
        # which holds the second one.
        first = reply.evidence.get("locks", ())[:1]
        reason = "; ".join(filter(None, (*first, reason)))
    if status is OutcomeStatus.FAILED and not reason:
        reason = "the host gave no reason"
    return HostOutcome(
        shard=shard, host=host, status=status, reason=reason, evidence=reply.evidence
    )


def _take(reply: Reply, line: str, probes: Sequence[str]) -> None:
    if len(line) > LINE_MAX:
        raise Nonsense("a line is too long")
    key, _, rest = line.partition(" ")
    if key == "answer":
        if rest not in _ANSWERS:
            raise Nonsense("an unknown answer")
        reply.answer = rest
    elif key == "reason":
        reply.reason = cleaned(rest)
    elif key == "missing":
        reply.missing.append(_match(_MISSING, rest)[3])
    elif key == "output":
        if len(reply.output) < ROWS_MAX:
            reply.output.append(cleaned(rest))
    elif key == "check":
        _check(reply, rest, probes)
    elif key in _COUNTED:
        match = _match(_COUNT, rest)
        reply.evidence.setdefault(key, {})[match[1]] = int(match[2])
    elif key in _SINGLE:
        name, read = _SINGLE[key]
        reply.evidence[name] = read(rest)
    elif key in _LISTED:
        name, read = _LISTED[key]
        rows = reply.evidence.setdefault(name, [])
        if len(rows) < ROWS_MAX or name in _WHOLE:
            rows.append(read(rest))
    else:
        raise Nonsense("an unknown line")


def _check(reply: Reply, rest: str, probes: Sequence[str]) -> None:
    match = _match(_CHECK, rest)
    name, result, detail = match[1], match[2], match[3] or ""
    if name.startswith("probe:"):
        number = int(name.removeprefix("probe:"))
        if not 1 <= number <= len(probes):
            raise Nonsense("a probe that was not asked")
        if number in reply.probes:
            raise Nonsense("a probe that is answered twice")
        reply.probes[number] = result
        name = f"probe {cleaned(probes[number - 1], 100)}"
    row: dict[str, Any] = {"name": name, "ok": result != "failed", "detail": cleaned(detail)}
    if result in ("note", "skipped"):
        row["note"] = True
    rows = reply.evidence.setdefault("checks", [])
    if len(rows) < ROWS_MAX:
        rows.append(row)


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise Nonsense("a line has another form than it should")
    return match


def _number(text: str) -> int:
    return int(_match(_NUMBER, text)[0])


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise Nonsense("neither yes nor no")
    return text == "yes"


def _words(*names: str) -> Callable[[str], dict[str, str]]:
    def read(text: str) -> dict[str, str]:
        words = text.split(" ")
        if len(words) != len(names) or not all(_WORD.fullmatch(word) for word in words):
            raise Nonsense("a line has another number of words than it should")
        return dict(zip(names, words, strict=True))

    return read


def _boot(text: str) -> dict[str, Any]:
    words = _words("boot_id", "pid1_start")(text)
    return {"boot_id": words["boot_id"], "pid1_start": _number(words["pid1_start"])}


def _stale(text: str) -> dict[str, Any]:
    pid, _, rest = text.partition(" ")
    unit, _, command = rest.partition(" ")
    return {
        "pid": _number(pid),
        "unit": "" if unit == "-" else cleaned(unit, 255),
        "command": cleaned(command, 64),
    }


def _lock(text: str) -> str:
    lock = locks.read(text)
    if lock is None:
        raise Nonsense("a lock of nobody")
    return lock.words


def _edited(text: str) -> dict[str, Any]:
    match = _match(_EDITED, text)
    copy = "" if match[2] == "-" else match[2]
    return {"path": cleaned(match[1], LINE_MAX), "copy": cleaned(copy, LINE_MAX)}


def _config(text: str) -> dict[str, Any]:
    match = _match(_CONFIG, text)
    row = {"path": cleaned(match[1], LINE_MAX)}
    return row if match[2] == "-" else {**row, "beside": cleaned(match[2], LINE_MAX)}


def _gone(text: str) -> dict[str, Any]:
    return {**_edited(text), "gone": True}


# Lines `KEY NAME COUNT`: how many things were checked, how many were recorded before the update.
_COUNTED = frozenset({"asked", "before"})
# Key of a line -> (name in the evidence, function that reads the value).
_Reader = Callable[[str], Any]
_SINGLE: Mapping[str, tuple[str, _Reader]] = {
    "boot": ("boot", _boot),
    "reboot-required": ("reboot_required", _yes),
    "touched": ("touched", _yes),
    "holds": ("holds", _yes),
    "code": ("code", _number),
    "seconds": ("seconds", _number),
    "progress": ("progress", cleaned),
    "repaired": ("repaired", cleaned),
    "state": ("state", cleaned),
    "claim": ("claim", _words("state", "run", "fence", "since", "transaction")),
    "running": ("running", _words("transaction", "job")),
}
_LISTED: Mapping[str, tuple[str, _Reader]] = {
    "package": ("packages", _words("package", "arch", "place", "version", "status")),
    "old": ("old", _words("package", "arch", "version", "way")),
    "restarted": ("restarted", cleaned),
    "restart-failed": ("restart_failed", cleaned),
    "stale": ("stale", _stale),
    "config-kept": ("config", _config),
    "config-changed": ("config", _config),
    "conffile": ("conffiles", cleaned),  # in results that an older patchctl stored on the host
    "stays": ("edited", _edited),
    "removed": ("edited", _gone),
    "lock": ("locks", _lock),
    "note": ("notes", cleaned),
    "job": ("jobs", cleaned),
    "log": ("log", cleaned),
    "held": ("held", cleaned),
    "transaction": ("transactions", _words("transaction", "created", "kib", "outcome")),
}
