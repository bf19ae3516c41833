"""Find mistakes in a fleet that Ansible itself accepts. Reads no file and runs no template."""

from ...models.lint import Finding, Level
from . import hosts, passwords, spread
from .context import Context

__all__ = ["Context", "lint"]

_RULES = (
    spread.rings,
    hosts.duplicates,
    spread.groups_of_rules,
    hosts.connection,
    passwords.passwords,
    spread.strata,
)


def lint(context: Context) -> tuple[Finding, ...]:
    """Return all findings: errors first, each level in the order of the rules."""
    findings = [finding for rule in _RULES for finding in rule(context)]
    return tuple(sorted(findings, key=lambda finding: finding.level is not Level.ERROR))
