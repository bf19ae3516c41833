"""What is wrong with a fleet that Ansible itself takes. Pure: no file is read, no template runs."""

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
    """All findings: errors first, each level in the order of the rules."""
    found = [finding for rule in _RULES for finding in rule(context)]
    return tuple(sorted(found, key=lambda one: one.level is not Level.ERROR))
