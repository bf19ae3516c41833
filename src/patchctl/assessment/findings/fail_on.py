"""`--fail-on`: which findings make a pipeline stop."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...errors import UsageError
from ...models.assessment import Finding, FindingState
from ...models.priority import Decision

_CVSS = re.compile(r"cvss\s*(>=|>)\s*([0-9]{1,2}(?:\.[0-9])?)")
_WORDS = ("act", "out_of_cycle", "scheduled", "overdue", "kev", "any", "cvss>=N")
SHOWN = 10

Test = Callable[[Finding], bool]


@dataclass
class Gate:
    """Counts findings that a policy does not allow. `shown` are the first of them, `(host,
    finding)`; waived findings never count."""

    rules: tuple[tuple[str, Test], ...]
    failed: int = 0
    shown: list[tuple[str, Finding, str]] = field(default_factory=list)

    def look(self, host: str, finding: Finding) -> None:
        """One finding of one host."""
        if finding.state is FindingState.WAIVED:
            return
        for name, test in self.rules:
            if test(finding):
                self.failed += 1
                if len(self.shown) < SHOWN:
                    self.shown.append((host, finding, name))
                return


def gate(texts: Iterable[str], today: str) -> Gate:
    """From `act`, `overdue`, `kev`, `cvss>=9`, several with commas. Raises UsageError."""
    names = [part.strip().lower() for text in texts for part in text.split(",") if part.strip()]
    return Gate(tuple((name, _test(name, today)) for name in dict.fromkeys(names)))


def _test(name: str, today: str) -> Test:
    if name == "kev":
        return lambda finding: finding.kev
    if name == "any":
        return lambda finding: True
    if name == "overdue":
        return lambda finding: bool(finding.due) and str(finding.due) < today
    wanted = name.replace("-", "_")
    if wanted in ("act", "out_of_cycle", "scheduled"):
        urgency = Decision(wanted).urgency
        return lambda finding: finding.decision.urgency <= urgency
    if found := _CVSS.fullmatch(name):
        limit, strict = float(found[2]), found[1] == ">"
        if limit <= 10:
            return lambda finding: (
                finding.cvss is not None
                and (finding.cvss > limit if strict else finding.cvss >= limit)
            )
    raise UsageError(f"--fail-on {name}: no such rule", hint=f"rules are {', '.join(_WORDS)}")
