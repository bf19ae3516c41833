"""Combine what all feeds know of a CVE."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...models.advisory import CveFacts, CvssVector, ExploitChance, KnownExploited, Severity
from ...models.assessment import FindingState
from ...models.priority import Threat
from ...models.words import day
from ..findings.findings import Core
from .cvss import vector_of

# Best first: the vendor knows its own build, the CNA knows the flaw, others guess from the text.
_SOURCES = ("vendor", "cna", "adp", "nvd")


@dataclass(frozen=True)
class Intelligence:
    """What the feeds know, by CVE."""

    known_exploited: Mapping[str, KnownExploited] = field(default_factory=dict)
    chances: Mapping[str, ExploitChance] = field(default_factory=dict)
    facts: Mapping[str, CveFacts] = field(default_factory=dict)

    def threat(self, core: Core) -> Threat:
        """What the priority of a finding depends on, whatever the host."""
        facts = self.facts.get(core.cve)
        kev = self.known_exploited.get(core.cve)
        return Threat(
            cve=core.cve,
            severity=core.severity,
            cvss=_best(core.vectors, facts),
            kev=kev,
            epss=self.chances.get(core.cve),
            # KEV overrules a record that says none, because KEV is newer.
            exploitation="active" if kev else (facts.exploitation if facts else ""),
            automatable=facts.automatable if facts else "",
            technical_impact=facts.technical_impact if facts else "",
            published=_date(facts) or core.published,
            fix_published=core.fix_published,
            fix_out=any(package.fixed for package in core.packages),
            fixable=core.fixable,
        )

    def bare(self, cve: str) -> Threat:
        """What the feeds know of a CVE that may be on no host."""
        nothing = Core(cve, (), FindingState.NO_FIX, Severity.UNKNOWN, (), "", "")
        return self.threat(nothing)


def _best(vendor: tuple[str, ...], facts: CveFacts | None) -> CvssVector | None:
    scored = [vector for text in vendor if (vector := vector_of(text, "vendor")) is not None]
    if scored:
        # Newer versions of the standard first; a vendor may give several.
        return max(scored, key=lambda vector: (vector.version in ("3.1", "3.0"), vector.version))
    known = facts.cvss if facts else ()
    return min(known, key=lambda vector: _SOURCES.index(vector.source), default=None)


def _date(facts: CveFacts | None) -> str:
    if facts is None or not facts.published:
        return ""
    return day(facts.published)
