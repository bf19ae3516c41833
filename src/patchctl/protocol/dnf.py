"""What dnf says it would do: its own lines in the answer of roles/patch_resolve/files/dnf.sh.

    step KIND NAME ARCH VERSION REPOSITORY    a row of dnf's table; of `obsolete` instead of a
                                              repository the package that takes its place
    file NAME EPOCH VERSION RELEASE ARCH REPOSITORY SOURCERPM BYTES CHECKSUM
                                              of `dnf repoquery`: what would be fetched
    have NAME EPOCH VERSION RELEASE ARCH SOURCERPM BYTES
                                              of `rpm -q`: what is installed
    signed REPOSITORY yes|no                  does it want its packages signed?

`resolution.py` has the frame around them. What a repository may write as it likes spoils at
most the package that it is about.
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


class _Said:
    """The lines of one answer, sorted by kind."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        # (name, arch, version, repository) -> what it has there
        self.files: dict[tuple[str, str, str, str], _File] = {}
        self.have: list[_Have] = []
        self.signed: dict[str, bool] = {}
        self.unusable: list[Unusable] = []


def read(request: HostRequest, answer: Answer) -> Resolution:
    """The answer as a Resolution. Raises UnreadableError on a line of no known form."""
    said = _Said()
    for number, kind, rest in answer.lines:
        _read_line(said, kind, rest, number)
    transitions = tuple(
        sorted(
            _transitions(request, said),
            key=lambda transition: (transition.package, transition.arch, transition.to),
        )
    )
    return Resolution(
        host=request.host,
        manager=request.manager,
        transitions=transitions,
        dropped=tuple(answer.dropped),
        unusable=tuple(said.unusable),
        needed_kib=_needed(said, transitions),
        source_versions=_source_versions(said, transitions),
    )


# --- reading lines ------------------------------------------------------------------------------


def _read_line(said: _Said, kind: str, rest: str, number: int) -> None:
    match kind:
        case "step":
            step, name, arch, version, by = groups(_STEP, rest, number)
            said.steps.append(
                _Step(kind=step, name=name, arch=arch, version=_plain(version), by=by)
            )
        case "file":
            _read_file(said, rest, number)
        case "have":
            name, epoch, version, release, arch, source, size = groups(_HAVE, rest, number)
            said.have.append(
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
                said.signed[line[1]] = line[2] == "yes"
        case _:
            raise UnreadableError(f"line {number} of the resolve answer is of no known kind")


def _read_file(said: _Said, rest: str, number: int) -> None:
    line = groups(_FILE, rest, number)
    name, epoch, version, release, arch, repository, source, size, checksum = line
    package = source_of_rpm(source) or (name, "")
    said.files[name, arch, _full(epoch, version, release), repository] = _File(
        source=package[0] if grammar.is_name(package[0]) else name,
        source_version=package[1] if grammar.is_version(package[1]) else "",
        size=int(size),
        sha256=_sha256(checksum),
    )


def _full(epoch: str, version: str, release: str) -> str:
    """As discovery writes it: an epoch of 0 is none."""
    return _plain(f"{epoch}:{version}-{release}" if epoch.isdigit() else f"{version}-{release}")


def _plain(version: str) -> str:
    return version.removeprefix("0:")


def _sha256(text: str) -> str:
    """Of hex digits, or of dnf 4's `(KIND, b'…')`, bytes as Python writes them; "" for others."""
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


def _transitions(request: HostRequest, said: _Said) -> Iterator[Transition]:
    for step in said.steps:
        if step.kind in ("remove", "obsolete"):
            yield _removal(said, step)
            continue
        file = said.files.get((step.name, step.arch, step.version, step.by))
        if problem := _problem(step, file):
            said.unusable.extend(_unusable(request.host, said, step, problem))
        elif file is not None:
            yield _arrival(request, said, step, file)


def _problem(step: _Step, file: _File | None) -> str:
    """Why the package cannot be taken, "" where it can."""
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


def _arrival(request: HostRequest, said: _Said, step: _Step, file: _File) -> Transition:
    old = _old(said, step) if step.kind != "install" else None
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
        # A repository of which nothing is known wants signatures.
        unsigned=not said.signed.get(step.by, True),
    )


def _old(said: _Said, step: _Step) -> _Have | None:
    """What is replaced: the same architecture, or the one there is where that changes."""
    named = [have for have in said.have if have.name == step.name]
    same = [have for have in named if have.arch == step.arch] or named
    return same[0] if len(same) == 1 else None


def _removal(said: _Said, step: _Step) -> Transition:
    key = (step.name, step.arch, step.version)
    matching = [have for have in said.have if (have.name, have.arch, have.version) == key]
    if not matching:
        raise UnreadableError(f"{step.name} would be removed but is not installed")
    return Transition(
        package=step.name,
        arch=step.arch,
        action=Action.REMOVE,
        from_=step.version,
        source=matching[0].source,
    )


def _unusable(host: str, said: _Said, step: _Step, problem: str) -> Iterator[Unusable]:
    """The package, and what of it is installed and must stay."""
    left_out = LeftOut(
        host=host,
        reason=LeftOutReason.RESOLVE_FAILED,
        package=step.name,
        version=step.version,
        detail=problem,
    )
    installed = [have for have in said.have if have.name == step.name]
    for have in installed:
        yield Unusable(left_out=left_out, arch=have.arch, installed=have.version)
    if not installed:
        yield Unusable(left_out=left_out, arch=step.arch)


def _source_versions(said: _Said, transitions: tuple[Transition, ...]) -> dict[str, str]:
    """Where they are not the binary's own. An epoch is not in the name of a source's file."""
    versions = {key[:3]: file.source_version for key, file in said.files.items()}
    return {
        transition.package: version
        for transition in transitions
        if (version := versions.get((transition.package, transition.arch, transition.to), ""))
        and version != transition.to.rpartition(":")[2]
    }


def _needed(said: _Said, transitions: tuple[Transition, ...]) -> dict[str, int]:
    """KiB by path, as preflight will ask for."""
    installed = {(have.name, have.arch, have.version): have.kib for have in said.have}
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
