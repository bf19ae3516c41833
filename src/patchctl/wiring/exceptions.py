"""Read, extend and review `exceptions.yml`."""

from dataclasses import dataclass, replace
from functools import partial

from ..adapters import files
from ..adapters.clock import now_ms
from ..assessment.findings.assess import Waiver
from ..config import exceptions_file
from ..errors import NotFoundError, UsageError
from ..models.exceptions import ExceptionsReview, ExceptionStatus, RiskException
from ..models.words import day
from ..workflows.assessment import exceptions as workflow
from .workspace import Workspace


@dataclass(frozen=True)
class NewException:
    """An exception as the command line gives it; `expires` is a date or days from today."""

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
    """Return the workspace's exceptions. Raises InvalidInputError with every mistake in it."""
    return exceptions_file.load(workspace.root / exceptions_file.FILE_NAME)


def listed(workspace: Workspace) -> list[ExceptionStatus]:
    """Return every exception with its status today."""
    return workflow.listed(load(workspace), workspace.feeds.known_exploited(), _today())


def add(workspace: Workspace, options: NewException) -> tuple[RiskException, str]:
    """Append an exception and return it with a warning, or "". Raises UsageError where it names
    neither CVE nor package, or neither host nor group."""
    if not options.cves and not options.packages:
        raise UsageError("an exception is for something: give --cve or --package")
    if not options.hosts and not options.groups:
        raise UsageError("an exception holds somewhere: give --host or --group; --host '*' is all")
    new = workflow.add(
        workspace.root / exceptions_file.FILE_NAME,
        files.private_folder(workspace.state) / "exceptions.lock",
        exceptions_file.load,
        exceptions_file.add,
        partial(_exception, options, _today()),
        files,
    )
    exploited = sorted(set(new.cves) & set(workspace.feeds.known_exploited()))
    return new, (
        f"it does not hold for {', '.join(exploited)}: known to be exploited (KEV)"
        if exploited
        else ""
    )


def _exception(options: NewException, today: str, free: str) -> RiskException:
    texts = {name: getattr(options, name) for name in ("owner", "reason", "control")}
    return RiskException(
        id=options.id or free,
        **{name: workflow.printable(name, text) for name, text in texts.items()},
        expires=workflow.last_day(options.expires, today),
        cves=tuple(dict.fromkeys(cve.upper() for cve in options.cves)),
        packages=options.packages,
        hosts=options.hosts,
        groups=options.groups,
    )


def check(workspace: Workspace) -> ExceptionsReview:
    """Compare every exception with all findings. Raises NotFoundError where no feed is held."""
    from ..workflows.assessment.assess import assess
    from .assess import parts_of

    today = _today()
    exceptions = load(workspace)
    if exceptions and not workspace.feeds.list():
        raise NotFoundError(
            "no feeds are held, so nothing shows whether exceptions are needed",
            hint="run `patchctl feeds update`",
        )

    def walk(waiver: Waiver) -> int:
        parts, hosts = parts_of(workspace, "")
        running = assess(replace(parts, waiver=lambda _: waiver), hosts, (), today)
        running.done()
        return running.total

    return workflow.check(exceptions, workspace.feeds.known_exploited(), walk, today)


def _today() -> str:
    return day(now_ms() // 1000)
