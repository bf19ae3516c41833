"""Builds what keeps exceptions.yml."""

from dataclasses import dataclass, replace
from functools import partial

from ..adapters import files
from ..adapters.clock import now_ms
from ..assessment.findings.assess import Waiver
from ..config import exceptions_file
from ..errors import NotFoundError, UsageError
from ..models.exceptions import ExceptionsReview, RiskException, Standing
from ..models.words import day
from ..workflows.assessment import exceptions as workflow
from .workspace import Workspace


@dataclass(frozen=True)
class Wanted:
    """An exception as the command line has it; `expires` is a date or days from today."""

    id: str
    owner: str
    reason: str
    control: str
    expires: str
    cves: tuple[str, ...]
    packages: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]


def load(workspace: Workspace) -> tuple[RiskException, ...]:
    """The workspace's exceptions. Raises InvalidInputError with every mistake of the file."""
    return exceptions_file.load(workspace.root / exceptions_file.FILE_NAME)


def listed(workspace: Workspace) -> list[Standing]:
    """Every exception as it stands today."""
    return workflow.listed(load(workspace), workspace.feeds.known_exploited(), _today())


def add(workspace: Workspace, wanted: Wanted) -> tuple[RiskException, str]:
    """Append an exception; with it what the operator should know of it, or nothing."""
    if not wanted.cves and not wanted.packages:
        raise UsageError("an exception is for something: give --cve or --package")
    if not wanted.hosts and not wanted.groups:
        raise UsageError("an exception holds somewhere: give --host or --group; --host '*' is all")
    new = workflow.add(
        workspace.root / exceptions_file.FILE_NAME,
        files.private_folder(workspace.state) / "exceptions.lock",
        exceptions_file.load,
        exceptions_file.add,
        partial(_made, wanted, _today()),
        files,
    )
    listed = sorted(set(new.cves) & set(workspace.feeds.known_exploited()))
    return new, (
        f"it does not hold for {', '.join(listed)}: known to be exploited (KEV)" if listed else ""
    )


def _made(wanted: Wanted, today: str, free: str) -> RiskException:
    said = {name: getattr(wanted, name) for name in ("owner", "reason", "control")}
    return RiskException(
        id=wanted.id or free,
        **{name: workflow.printable(name, text) for name, text in said.items()},
        expires=workflow.last_day(wanted.expires, today),
        cves=tuple(dict.fromkeys(cve.upper() for cve in wanted.cves)),
        packages=wanted.packages,
        hosts=wanted.hosts,
        groups=wanted.groups,
    )


def check(workspace: Workspace) -> ExceptionsReview:
    """Hold every exception against all findings."""
    from ..workflows.assessment.assess import assess
    from .assess import parts_of

    today = _today()
    exceptions = load(workspace)
    if exceptions and not workspace.feeds.list():
        raise NotFoundError(
            "no feeds are held, so nothing shows whether exceptions are needed",
            hint="run `patchctl feeds update`",
        )

    def walk(asked: Waiver) -> int:
        parts, hosts = parts_of(workspace, "")
        running = assess(replace(parts, waiver=lambda _: asked), hosts, (), today)
        running.done()
        return running.total

    return workflow.check(exceptions, workspace.feeds.known_exploited(), walk, today)


def _today() -> str:
    return day(now_ms() // 1000)
