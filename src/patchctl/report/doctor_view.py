"""Show the result of `doctor` to people. Pure: a report to lines, which the caller cleans."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..models.doctor import Area, Check, CheckStatus, DoctorReport, LearnedKey
from ..models.words import count, some
from .view import Lines, Note, Part, View

_TITLES = {Area.MACHINE: "MACHINE", Area.WORKSPACE: "WORKSPACE", Area.HOST: "HOSTS"}
_WIDE = 16
_FEW = 4
_ALL_NAMED = 12
_KEYS = ("HOST", "ENTRY", "TYPE", "FINGERPRINT")


def lines(report: DoctorReport, *, every: bool = False) -> list[str]:
    """Return the checks of the machine and the workspace one by one, and the hosts by what is
    wrong; with `every` all checks of all hosts.

    A result that several hosts share is shown once, with their names.
    """
    shown: list[str] = []
    for area, title in _TITLES.items():
        checks = [check for check in report.checks if check.area is area]
        if not checks:
            continue
        shown += ["", title] if shown else [title]
        if area is not Area.HOST or every:
            for check in checks:
                shown += _one(check.status, check.subject, check)
        else:
            shown += _hosts(checks)
    return shown


def _one(status: CheckStatus, who: str, check: Check) -> list[str]:
    what = f"{who}: {check.text}" if who and check.text else who or check.text
    rows = [f"  {status.value:<8}{check.name:<{_WIDE}} {what}".rstrip()]
    if check.hint:
        rows.append(f"{'':<11}{'':<{_WIDE}}-> {check.hint}")
    return rows


def _hosts(checks: Sequence[Check]) -> list[str]:
    wrong = [check for check in checks if check.status in (CheckStatus.WARN, CheckStatus.FAIL)]
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for check in sorted(wrong, key=lambda check: check.status is not CheckStatus.FAIL):
        key = (check.status.value, check.name, check.text, check.hint)
        alike.setdefault(key, []).append(check.subject)
    first = {(check.status.value, check.name, check.text, check.hint): check for check in wrong}
    shown_lines = [
        line
        for key, names in alike.items()
        for line in _one(first[key].status, some(names, _FEW), first[key])
    ]
    bad = {check.subject for check in wrong}
    good = [name for name in dict.fromkeys(check.subject for check in checks) if name not in bad]
    if good:
        shown = some(good, _ALL_NAMED)
        shown_lines.append(f"  {'ok':<8}{'':<{_WIDE}} {shown}")
    return shown_lines


def closing(report: DoctorReport) -> str:
    """Return the last line: `58 checks, 6 hosts, 3.1 s: 1 to fix, 2 warnings`."""
    fail, warn = report.counts[CheckStatus.FAIL], report.counts[CheckStatus.WARN]
    told = [f"{fail} to fix"] if fail else []
    told += [count(warn, "warning")] if warn else []
    checks = count(len(report.checks), "check")
    verdict = ", ".join(told) or "all is well"
    return f"{checks}, {count(report.hosts, 'host')}, {report.elapsed_s} s: {verdict}"


def keys(learned: Iterable[LearnedKey]) -> list[str]:
    """Return a heading and host, name in known_hosts, type and fingerprint in columns."""
    rows = [_KEYS, *((key.host, key.entry, key.type, key.fingerprint) for key in learned)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def counted(learned: Sequence[LearnedKey]) -> str:
    """Return the number of keys and hosts: `3 keys of 1 host`."""
    hosts = len({key.host for key in learned})
    return f"{count(len(learned), 'key')} of {count(hosts, 'host')}"


@dataclass(frozen=True)
class DoctorView(View):
    """`doctor`. `every`: all checks of all hosts."""

    report: DoctorReport
    every: bool = False

    def data(self) -> DoctorReport:
        """All checks."""
        return self.report

    def parts(self) -> Iterator[Part]:
        """The checks, then the result."""
        yield Lines(lines(self.report, every=self.every))
        yield Note(closing(self.report))
