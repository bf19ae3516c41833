"""Find SSVC's decision points of a CVE: from its record, its CVSS vector, or the vendor's severity.

A missing record must neither make everything urgent nor nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

from ...models.advisory import Severity
from ...models.priority import Threat


@dataclass(frozen=True, slots=True)
class DecisionPoints:
    """Decision points of a CVE. `notes` has a line on each that no record gave."""

    exploitation: str
    automatable: bool
    total: bool
    notes: tuple[str, ...]


# SSVC's values of exploitation.
_EXPLOITATION = ("none", "poc", "active")

# (automatable, total) where there is neither SSVC nor CVSS. By Red Hat's definitions, which others
# follow: a worm could use a critical one; an important one compromises confidentiality, integrity
# and availability. Unknown: BOD 26-04's own defaults, not automatable and total.
_BY_SEVERITY = {
    Severity.CRITICAL: (True, True),
    Severity.IMPORTANT: (False, True),
    Severity.MODERATE: (False, False),
    Severity.LOW: (False, False),
    Severity.NEGLIGIBLE: (False, False),
    Severity.UNKNOWN: (False, True),
}


def points_of(threat: Threat) -> DecisionPoints:
    """The decision points of a CVE. A listing in KEV overrules its record."""
    return _points(
        threat.kev is not None,
        threat.exploitation,
        threat.automatable,
        threat.technical_impact,
        threat.cvss.vector if threat.cvss else "",
        threat.severity,
    )


@lru_cache(maxsize=65_536)
def _points(
    listed: bool, exploitation: str, automatable: str, impact: str, vector: str, severity: Severity
) -> DecisionPoints:
    notes = []
    if listed:
        if exploitation in ("none", "poc"):
            notes.append(f"the CVE record says exploitation {exploitation}; KEV says otherwise")
        exploitation = "active"
    elif exploitation not in _EXPLOITATION:
        notes.append("exploitation is not known (no CVE record): taken as none, it is not in KEV")
        exploitation = "none"
    guess_automatable, guess_total, source = _guess(vector, severity)
    guessed = []
    if automatable not in ("yes", "no"):
        automatable = "yes" if guess_automatable else "no"
        guessed.append(f"automatable {automatable}")
    if impact not in ("total", "partial"):
        impact = "total" if guess_total else "partial"
        guessed.append(f"technical impact {impact}")
    if guessed:
        notes.append(f"{', '.join(guessed)}: {source}; no SSVC record says it")
    return DecisionPoints(exploitation, automatable == "yes", impact == "total", tuple(notes))


def _guess(vector: str, severity: Severity) -> tuple[bool, bool, str]:
    metrics = dict(part.split(":", 1) for part in vector.split("/") if ":" in part)
    if not {"AV", "AC"} <= metrics.keys():
        word = severity.value
        automatable, total = _BY_SEVERITY[severity]
        source = f"from the vendor's {word}" if word else "assumed, with no CVSS or vendor's word"
        return automatable, total, source
    return _automatable(metrics), _total(metrics), "from the CVSS vector"


def _automatable(metrics: dict[str, str]) -> bool:
    """Whether an attack needs only the network: no privileges, no user, no special conditions."""
    if metrics.get("AU") in ("Y", "N"):  # CVSS 4.0's Automatable is SSVC's
        return metrics["AU"] == "Y"
    return (
        metrics["AV"] == "N"
        and metrics["AC"] == "L"
        and metrics.get("AT", "N") == "N"
        and metrics.get("PR", "N") == "N"
        and metrics.get("UI", "N") == "N"
        and metrics.get("Au", "N") == "N"  # CVSS 2.0
    )


def _total(metrics: dict[str, str]) -> bool:
    """Whether all impacts on the vulnerable system are total: `H`, in CVSS 2.0 `C`."""
    impacts = ("VC", "VI", "VA") if "VC" in metrics else ("C", "I", "A")
    return all(metrics.get(name) in ("H", "C") for name in impacts)
