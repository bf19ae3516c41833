"""What is known of single CVEs, put together from all feeds that speak of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...models.advisory import CveFacts, CvssVector, ExploitChance, KnownExploited, Severity
from ...models.assessment import FindingState
from ...models.priority import Threat
from ...models.words import day
from ..findings.findings import Core
from .scores import vector_of

# The vendor knows its own build; the CNA knows the flaw; others guess from the text.
_SOURCES = ("vendor", "cna", "adp", "nvd")


@dataclass(frozen=True)
class Intelligence:
    """Facts by CVE."""

    known_exploited: Mapping[str, KnownExploited] = field(default_factory=dict)
    chances: Mapping[str, ExploitChance] = field(default_factory=dict)
    facts: Mapping[str, CveFacts] = field(default_factory=dict)

    def threat(self, core: Core) -> Threat:
        """What counts for the priority of a finding, whatever the host."""
        facts = self.facts.get(core.cve)
        kev = self.known_exploited.get(core.cve)
        return Threat(
            cve=core.cve,
            severity=core.severity,
            cvss=_best(core.vectors, facts),
            kev=kev,
            epss=self.chances.get(core.cve),
            # The catalogue of exploited vulnerabilities knows later than a record that says none.
            exploitation="active" if kev else (facts.exploitation if facts else ""),
            automatable=facts.automatable if facts else "",
            technical_impact=facts.technical_impact if facts else "",
            published=_date(facts) or core.published,
            fix_published=core.fix_published,
            fix_out=any(one.fixed for one in core.packages),
            fixable=core.fixable,
        )

    def bare(self, cve: str) -> Threat:
        """What is known of a CVE that may be on no host."""
        nothing = Core(cve, (), FindingState.NO_FIX, Severity.UNKNOWN, (), "", "")
        return self.threat(nothing)


def _best(vendor: tuple[str, ...], facts: CveFacts | None) -> CvssVector | None:
    scored = [found for text in vendor if (found := vector_of(text, "vendor")) is not None]
    if scored:
        # Newer versions of the standard first; a vendor may give several.
        return max(scored, key=lambda one: (one.version in ("3.1", "3.0"), one.version))
    known = facts.cvss if facts else ()
    return min(known, key=lambda one: _SOURCES.index(one.source), default=None)


def _date(facts: CveFacts | None) -> str:
    if facts is None or not facts.published:
        return ""
    return day(facts.published)
