"""The results of `inventory lint`."""

from enum import StrEnum

from .base import Model


class Level(StrEnum):
    """`error`: a rollout would fail, or do something that was not meant. `warning`: a risk."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Model):
    """One thing to fix. `rule` is stable, for scripts. `where` is `file:line` in a YAML or INI
    source, the source alone where it is a program, or empty. `hosts` are those concerned."""

    level: Level
    rule: str
    message: str
    hint: str
    where: str
    hosts: tuple[str, ...]


class LintReport(Model):
    """`inventory lint -o json`. `facts` counts the hosts whose facts the newest snapshot has."""

    findings: tuple[Finding, ...]
    errors: int
    warnings: int
    hosts: int
    facts: int
