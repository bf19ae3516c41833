"""Read what dnf would do from the answer of patch_resolve's dnf.sh.

    step KIND NAME ARCH VERSION REPOSITORY    a row of dnf's table; for KIND `obsolete` the package
                                              that replaces it instead of a repository
    file NAME EPOCH VERSION RELEASE ARCH REPOSITORY SOURCERPM BYTES CHECKSUM
                                              of `dnf repoquery`: a file that would be downloaded
    have NAME EPOCH VERSION RELEASE ARCH SOURCERPM BYTES
                                              of `rpm -q`: an installed package
    signed REPOSITORY yes|no                  whether the repository's packages must be signed

`resolution.py` reads the lines around them. A repository may write its fields as it likes, but this
harms at most the package that they belong to.
"""

import ast
import re
from collections.abc import Iterator

from ..models import grammar
from ..models.base import Record
from ..models.grammar import ARCH, NAME, VERSION, fits, source_of_rpm
from ..models.host_rules import boot_kib, packages_kib
from ..models.plan import Action, Artifact, LeftOut, LeftOutReason, Transition
from ..models.requests import HostRequest
from ..models.resolution import Resolution, Unusable
from .resolution import Answer, UnreadableError, groups

_STEP = re.compile(
    rf"(install|upgrade|downgrade|remove|obsolete) ({NAME}) ({ARCH}) ({VERSION}) (\S+)"
)
_PART = r"[A-Za-z0-9_.+~^]{1,100}"
_EPOCH = r"[0-9]{1,9}|\(none\)"
_FILE = re.compile(
    rf"({NAME}) ({_EPOCH}) ({_PART}) ({_PART}) ({ARCH}) (\S+) (\S+) ([0-9]{{1,15}}) (.+)"
)
_HAVE = re.compile(rf"({NAME}) ({_EPOCH}) ({_PART}) ({_PART}) ({ARCH}) (\S+) ([0-9]{{1,15}})")
_SIGNED = re.compile(r"(\S+) (yes|no)")
_SHA256_BYTES = 32
_NOARCH = "noarch"


class _Step(Record):
    kind: str
    name: str
    arch: str
    version: str
    by: str


class _Have(Record):
    name: str
    arch: str
    version: str
    source: str
    kib: int


class _File(Record):
    source: str
    source_version: str
    size: int
    sha256: str


class _Lines:
    """The lines of one answer, sorted by kind."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        # (name, arch, version, repository) -> the file in that repository
        self.files: dict[tuple[str, str, str, str], _File] = {}
        self.have: list[_Have] = []
        self.signed: dict[str, bool] = {}
        self.unusable: list[Unusable] = []


def read(request: HostRequest, answer: Answer) -> Resolution:
    """Return the answer as a Resolution. Raises UnreadableError on a line of unknown form."""
    lines = _Lines()
    for number, kind, rest in answer.lines:
        _read_line(lines, kind, rest, number)
    transitions = tuple(
        sorted(
            _transitions(request, lines),
            key=lambda transition: (transition.package, transition.arch, transition.to),
        )
    )
    return Resolution(
        host=request.host,
        manager=request.manager,
        transitions=transitions,
        dropped=tuple(answer.dropped),
        unusable=tuple(lines.unusable),
        needed_kib=_needed(lines, transitions),
        source_versions=_source_versions(lines, transitions),
    )


# --- reading lines ------------------------------------------------------------------------------


def _read_line(lines: _Lines, kind: str, rest: str, number: int) -> None:
    match kind:
        case "step":
            step, name, arch, version, by = groups(_STEP, rest, number)
            lines.steps.append(
                _Step(kind=step, name=name, arch=arch, version=_plain(version), by=by)
            )
        case "file":
            _read_file(lines, rest, number)
        case "have":
            name, epoch, version, release, arch, source, size = groups(_HAVE, rest, number)
            lines.have.append(
                _Have(
                    name=name,
                    arch=arch,
                    version=_full(epoch, version, release),
                    source=(source_of_rpm(source) or (name, ""))[0],
                    kib=int(size) // 1024,
                )
            )
        case "signed":
            if line := _SIGNED.fullmatch(rest):
                lines.signed[line[1]] = line[2] == "yes"
        case _:
            raise UnreadableError(f"line {number} of the resolve answer is of no known kind")


def _read_file(lines: _Lines, rest: str, number: int) -> None:
    line = groups(_FILE, rest, number)
    name, epoch, version, release, arch, repository, source, size, checksum = line
    package = source_of_rpm(source) or (name, "")
    lines.files[name, arch, _full(epoch, version, release), repository] = _File(
        source=package[0] if grammar.is_name(package[0]) else name,
        source_version=package[1] if grammar.is_version(package[1]) else "",
        size=int(size),
        sha256=_sha256(checksum),
    )


def _full(epoch: str, version: str, release: str) -> str:
    """Return VERSION-RELEASE, with its epoch unless that is 0, as discovery writes it."""
    return _plain(f"{epoch}:{version}-{release}" if epoch.isdigit() else f"{version}-{release}")


def _plain(version: str) -> str:
    return version.removeprefix("0:")


def _sha256(text: str) -> str:
    """Return hex digits as they are, and those of dnf 4's `(KIND, b'…')`, a tuple in Python's
    notation; "" for other text.
    """
    if fits("sha256", text):
        return text
    try:
        value = ast.literal_eval(text) if len(text) < 300 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    match value:
        case (int(), bytes(digest)) if len(digest) == _SHA256_BYTES:
            return digest.hex()
    return ""


# --- joining them -------------------------------------------------------------------------------


def _transitions(request: HostRequest, lines: _Lines) -> Iterator[Transition]:
    for step in lines.steps:
        if step.kind in ("remove", "obsolete"):
            yield _removal(lines, step)
            continue
        file = lines.files.get((step.name, step.arch, step.version, step.by))
        if problem := _problem(step, file):
            lines.unusable.extend(_unusable(request.host, lines, step, problem))
        elif file is not None:
            yield _arrival(request, lines, step, file)


def _problem(step: _Step, file: _File | None) -> str:
    """Return why the package cannot be used, "" where it can."""
    if not fits("repository", step.by):
        return "the name of its repository is outside of the grammar"
    if file is None:
        return f"repository {step.by} does not tell what file it is"
    if not file.sha256:
        return "its repository gives no SHA-256"
    if not fits("file", _file_name(step)):
        return "the name of its file is outside of the grammar"
    return ""


def _file_name(step: _Step) -> str:
    return f"{step.name}-{step.version.rpartition(':')[2]}.{step.arch}.rpm"


def _arrival(request: HostRequest, lines: _Lines, step: _Step, file: _File) -> Transition:
    old = _old(lines, step) if step.kind != "install" else None
    if step.kind == "install":
        action = Action.NEW
    elif old is None:
        raise UnreadableError(f"{step.name} would be changed but is not installed once")
    else:
        action = Action(step.kind)
    return Transition(
        package=step.name,
        arch=step.arch,
        action=action,
        from_=old.version if old else "",
        to=step.version,
        source=file.source,
        origin=step.by,
        file=Artifact(name=_file_name(step), size=file.size, sha256=file.sha256),
        requested=any(
            (package.package, package.version) == (step.name, step.version)
            and (package.arch == step.arch or _NOARCH in (package.arch, step.arch))
            for package in request.wanted
        ),
        # A repository without a line `signed` counts as one whose packages must be signed.
        unsigned=not lines.signed.get(step.by, True),
    )


def _old(lines: _Lines, step: _Step) -> _Have | None:
    """Return the installed package that the step replaces: that of the same architecture, or the
    only one there is where the architecture changes. None where it is not clear.
    """
    named = [have for have in lines.have if have.name == step.name]
    same = [have for have in named if have.arch == step.arch] or named
    return same[0] if len(same) == 1 else None


def _removal(lines: _Lines, step: _Step) -> Transition:
    key = (step.name, step.arch, step.version)
    matching = [have for have in lines.have if (have.name, have.arch, have.version) == key]
    if not matching:
        raise UnreadableError(f"{step.name} would be removed but is not installed")
    return Transition(
        package=step.name,
        arch=step.arch,
        action=Action.REMOVE,
        from_=step.version,
        source=matching[0].source,
    )


def _unusable(host: str, lines: _Lines, step: _Step, problem: str) -> Iterator[Unusable]:
    """Return the package, with the versions of it that are installed and must stay."""
    left_out = LeftOut(
        host=host,
        reason=LeftOutReason.RESOLVE_FAILED,
        package=step.name,
        version=step.version,
        detail=problem,
    )
    installed = [have for have in lines.have if have.name == step.name]
    for have in installed:
        yield Unusable(left_out=left_out, arch=have.arch, installed=have.version)
    if not installed:
        yield Unusable(left_out=left_out, arch=step.arch)


def _source_versions(lines: _Lines, transitions: tuple[Transition, ...]) -> dict[str, str]:
    """Return package -> version of its source, where that differs from the binary's. Compared
    without the epoch, since the name of a source file has none.
    """
    versions = {key[:3]: file.source_version for key, file in lines.files.items()}
    return {
        transition.package: version
        for transition in transitions
        if (version := versions.get((transition.package, transition.arch, transition.to), ""))
        and version != transition.to.rpartition(":")[2]
    }


def _needed(lines: _Lines, transitions: tuple[Transition, ...]) -> dict[str, int]:
    """Return the free space that preflight must ask for, in KiB by path."""
    installed = {(have.name, have.arch, have.version): have.kib for have in lines.have}
    usr, var = packages_kib(
        (
            transition.action,
            transition.file.size if transition.file else 0,
            installed.get((transition.package, transition.arch, transition.from_), 0),
        )
        for transition in transitions
    )
    needed = {"/usr": usr, "/var/lib/patchctl": var}
    if boot := boot_kib((transition.package, transition.action) for transition in transitions):
        needed["/boot"] = boot
    return needed if transitions else {}
