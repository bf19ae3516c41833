"""Lint the inventory: read its sources, and find the lines to show."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from ...errors import InvalidInputError
from ...inventory import load
from ...inventory.lint import Context
from ...inventory.lint import lint as find
from ...inventory.lint.templates import extra_variable_names
from ...inventory.source_map import Source, SourceMap, line_of
from ...models.lint import Level, LintReport
from ...models.settings import Settings
from ...models.snapshot import Snapshot
from .show import Raw


class Reader(Protocol):
    """Reads inventory sources, and their files as text."""

    def read(self, sources: Sequence[str]) -> Raw:
        """Read all sources together. Raises InvalidInputError."""

    def texts(self, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield name and text of every file of the sources."""


class Linted(NamedTuple):
    """The findings, and the warnings of Ansible."""

    report: LintReport
    warnings: tuple[str, ...]


def lint(
    settings: Settings,
    reader: Reader,
    sources: Sequence[str],
    *,
    snapshot: Snapshot | None,
    extra_vars: Sequence[str],
    settings_file: tuple[str, str],
) -> Linted:
    """Return the findings over all hosts. `settings_file` is the name and the text of patchctl.yml.

    Raises InvalidInputError where a source cannot be read or there is no host at all.
    """
    raw = reader.read(sources)
    if not raw.hosts:
        raise InvalidInputError("has no hosts", where=", ".join(sources))
    fleet, refusals = load.survey(
        raw, sources=tuple(sources), rings=settings.ring_names, assignment=settings.assign
    )
    names = {host.name for host in fleet.hosts}
    facts = {
        host.name: host.facts
        for host in (snapshot.hosts if snapshot is not None else ())
        if host.facts is not None and host.name in names
    }
    name, text = settings_file
    findings = find(
        Context(
            fleet=fleet,
            refusals=refusals,
            assignment=settings.assign,
            probes=settings.rings[0].probes,  # every ring carries all probes
            source_map=SourceMap(Source(*file) for file in reader.texts(sources)),
            settings_line=lambda path: f"{name}:{line_of(text, path)}",
            facts=facts,
            extra_variables=extra_variable_names(extra_vars),
        )
    )
    errors = sum(finding.level is Level.ERROR for finding in findings)
    report = LintReport(
        findings=findings,
        errors=errors,
        warnings=len(findings) - errors,
        hosts=len(fleet.hosts),
        facts=len(facts),
    )
    return Linted(report, raw.warnings)
