"""Count the findings that `--fail-on` does not allow, so that a pipeline stops."""

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
    """Counts findings that a rule does not allow. `shown` are the first of them, as (host, finding,
    name of the rule). Waived findings never count."""

    rules: tuple[tuple[str, Test], ...]
    failed: int = 0
    shown: list[tuple[str, Finding, str]] = field(default_factory=list)

    def count(self, host: str, finding: Finding) -> None:
        """Count a finding of a host where a rule fits it."""
        if finding.state is FindingState.WAIVED:
            return
        for name, test in self.rules:
            if test(finding):
                self.failed += 1
                if len(self.shown) < SHOWN:
                    self.shown.append((host, finding, name))
                return


def gate(texts: Iterable[str], today: str) -> Gate:
    """A gate from texts such as `act`, `overdue`, `kev` or `cvss>=9`, each one rule or several with
    commas between. `today` is an ISO date. Raises UsageError for an unknown rule."""
    names = [part.strip().lower() for text in texts for part in text.split(",") if part.strip()]
    return Gate(tuple((name, _test(name, today)) for name in dict.fromkeys(names)))


def _test(name: str, today: str) -> Test:
    if name == "kev":
        return lambda finding: finding.kev
    if name == "any":
        return lambda finding: True
    if name == "overdue":
        return lambda finding: bool(finding.due) and str(finding.due) < today
    decision = name.replace("-", "_")
    if decision in ("act", "out_of_cycle", "scheduled"):
        urgency = Decision(decision).urgency
        return lambda finding: finding.decision.urgency <= urgency
    if comparison := _CVSS.fullmatch(name):
        limit, strict = float(comparison[2]), comparison[1] == ">"
        if limit <= 10:
            return lambda finding: (
                finding.cvss is not None
                and (finding.cvss > limit if strict else finding.cvss >= limit)
            )
    raise UsageError(f"--fail-on {name}: no such rule", hint=f"rules are {', '.join(_WORDS)}")
