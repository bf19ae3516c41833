"""Read what apt would do from the answer of patch_resolve's apt.sh.

    sim TEXT     of `apt-get -s`              lower NAME   goes to a lower version
    uri TEXT     of `apt-get --print-uris`    offer TEXT   of `apt-cache madison`
    show FIELD   of `apt-cache show`          have TEXT    what is installed
    show .       the end of one package       target TEXT  of `apt-get indextargets`

`resolution.py` reads the lines around them. A repository may write labels, addresses and fields as
it likes, but this harms at most the package that they belong to: lines of unknown form are ignored,
and a package without enough data is unusable.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from ..models.base import Record
from ..models.grammar import ARCH, NAME, VERSION, fits
from ..models.host_rules import boot_kib, packages_kib
from ..models.plan import Action, Artifact, LeftOut, LeftOutReason, Transition
from ..models.requests import HostRequest, PackageRequest
from ..models.resolution import Resolution, Unusable
from .cleaning import cleaned, without_logins
from .resolution import Answer, UnreadableError, groups

# `Inst NAME[:ARCH] [FROM] (TO Label:Version/Suite, … [ARCH]) [what it breaks for now]`. A label may
# have any characters, so only the last `[ARCH])` is surely written by apt.
_INST = re.compile(
    rf"Inst ({NAME})(?::{ARCH})? (?:\[({VERSION})\] )?\(({VERSION}) (?:.* )?\[({ARCH})\]\)"
    r"(?: \[[^()]*\])*"
)
_INST_NAME = re.compile(rf"Inst ({NAME})(?::{ARCH})? .*")
_REMV = re.compile(rf"Remv ({NAME})(?::({ARCH}))? \[({VERSION})\](?: .*)?")
_HAVE = re.compile(rf"({NAME}) ({ARCH}) ({VERSION}) ({NAME})(?: ([0-9]{{1,12}})?.*)?")
_OFFER = re.compile(rf" *({NAME})(?::{ARCH})? \| +({VERSION}) \| (.+)")
_TARGET = re.compile(r"([^\t]+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(yes|no)")
_URI = re.compile(r"'([!-~]*)' ([!-~]+) ([0-9]{1,15})(?: .*)?")
_FIELD = re.compile(r"([A-Za-z0-9-]+): (.*)")
_SOURCE = re.compile(rf"({NAME})(?: \(({VERSION})\))?")


class _PackageError(Exception):
    """Why one package cannot be used. Only this module raises and catches it."""

    def __init__(self, what: str, reason: LeftOutReason = LeftOutReason.RESOLVE_FAILED) -> None:
        super().__init__(what)
        self.reason = reason


class _Have(Record):
    arch: str
    version: str
    kib: int
    source: str


class _Index(Record):
    label: str
    codename: str
    trusted: bool


class _Lines:
    """The lines of one answer, sorted by kind."""

    def __init__(self) -> None:
        self.installs: dict[tuple[str, str], tuple[str, str]] = {}  # (name, arch) -> from, to
        self.removals: dict[tuple[str, str], str] = {}  # (name, arch or "") -> version
        self.lower: set[str] = set()
        self.uris: dict[str, tuple[str, int]] = {}  # file name -> URI, bytes
        self.stanzas: list[dict[str, str]] = []
        self.have: dict[tuple[str, str], _Have] = {}
        self.offers: dict[tuple[str, str], list[str]] = {}  # (name, version) -> index descriptions
        self.indexes: dict[str, _Index] = {}
        self.source_versions: dict[str, str] = {}
        self.unusable: dict[str, _PackageError] = {}  # by name


def read(request: HostRequest, answer: Answer) -> Resolution:
    """Return the answer as a Resolution. Raises UnreadableError on a line that is not apt's."""
    lines = _sorted(answer)
    transitions = _transitions(request, lines)
    return Resolution(
        host=request.host,
        manager=request.manager,
        transitions=transitions,
        dropped=tuple(answer.dropped),
        uris={
            transition.file.name: lines.uris[transition.file.name][0]
            for transition in transitions
            if transition.file is not None and transition.file.name in lines.uris
        },
        needed_kib=_needed(lines, transitions),
        source_versions=lines.source_versions,
        unusable=tuple(_unusable(request.host, lines)),
    )


# --- reading lines ------------------------------------------------------------------------------


def _sorted(answer: Answer) -> _Lines:
    lines = _Lines()
    stanza: dict[str, str] = {}
    for number, kind, rest in answer.lines:
        if kind != "show":
            _read_line(lines, kind, rest, number)
        elif rest == ".":
            lines.stanzas.append(stanza)
            stanza = {}
        elif field := _FIELD.fullmatch(rest):
            stanza[field[1]] = field[2]
    return lines


def _read_line(lines: _Lines, kind: str, rest: str, number: int) -> None:
    match kind:
        case "sim":
            _read_simulated(lines, rest, number)
        case "lower":
            lines.lower.add(rest.partition(":")[0])
        case "uri":
            if line := _URI.fullmatch(rest):  # other lines are apt's warnings and notes
                lines.uris[line[2]] = (without_logins(line[1]), int(line[3]))
        case "have":
            name, arch, version, source, kib = groups(_HAVE, rest, number)
            lines.have[name, arch] = _Have(
                arch=arch, version=version, kib=int(kib or 0), source=source
            )
        case "offer":
            if line := _OFFER.fullmatch(rest):
                lines.offers.setdefault((line[1], line[2]), []).append(line[3])
        case "target":
            if line := _TARGET.fullmatch(rest):
                origin, label, codename = map(_release_value, line.groups()[1:4])
                lines.indexes[line[1]] = _Index(
                    label=label or origin, codename=codename, trusted=line[5] == "yes"
                )
        case _:
            raise UnreadableError(f"line {number} of the resolve answer is of no known kind")


def _release_value(field: str) -> str:
    """Return a value of a Release file, "" where the file has none: apt prints `$(NAME)` then."""
    return "" if field.startswith("$(") else cleaned(field)


def _read_simulated(lines: _Lines, rest: str, number: int) -> None:
    if line := _INST.fullmatch(rest):
        name, installed, version, arch = line.groups(default="")
        lines.installs[name, arch] = (installed, version)
    elif rest.startswith("Inst "):
        (name,) = groups(_INST_NAME, rest, number)
        lines.unusable[name] = _PackageError("apt's line about it is unreadable")
    elif rest.startswith("Remv "):
        name, arch, version = groups(_REMV, rest, number)
        lines.removals[name, arch] = version


# --- joining them -------------------------------------------------------------------------------


def _transitions(request: HostRequest, lines: _Lines) -> tuple[Transition, ...]:
    made = [*_installs(request, lines), *_removals(lines)]
    made.sort(key=lambda transition: (transition.package, transition.arch))
    return tuple(made)


def _unusable(host: str, lines: _Lines) -> Iterator[Unusable]:
    """Return each package that cannot be used, with the versions of it that are installed and must
    stay.
    """
    for name, error in sorted(lines.unusable.items()):
        versions = {key[0]: to for key, (_, to) in lines.installs.items()}
        installed = [have for (known, _), have in lines.have.items() if known == name]
        left_out = LeftOut(
            host=host,
            reason=error.reason,
            package=name,
            version=versions.get(name, ""),
            detail=str(error),
        )
        for have in installed:
            yield Unusable(left_out=left_out, arch=have.arch, installed=have.version)
        there = {have.arch for have in installed}
        new = {arch for known, arch in lines.installs if known == name} - there
        # A package of architecture `all` and one of the machine's architecture replace each other.
        for arch in () if "all" in there | new and installed else sorted(new) or [""][len(there) :]:
            yield Unusable(left_out=left_out, arch=arch)


def _installs(request: HostRequest, lines: _Lines) -> Iterator[Transition]:
    for (name, arch), (installed, version) in lines.installs.items():
        try:
            artifact, source = _file(lines, name, arch, version)
            origin = _origin(lines, name, arch, version)
        except _PackageError as error:
            lines.unusable[name] = error
            continue
        yield Transition(
            package=name,
            arch=arch,
            action=_action(installed, name in lines.lower),
            from_=installed,
            to=version,
            source=source,
            origin=origin,
            file=artifact,
            requested=any(_same(wanted, name, arch) for wanted in request.wanted),
        )


def _action(installed: str, lower: bool) -> Action:
    if not installed:
        return Action.NEW
    return Action.DOWNGRADE if lower else Action.UPGRADE


def _same(wanted: PackageRequest, name: str, arch: str) -> bool:
    # A new version may change the architecture from `all` to the machine's own, or back.
    return wanted.package == name and (wanted.arch == arch or "all" in (wanted.arch, arch))


def _removals(lines: _Lines) -> Iterator[Transition]:
    reinstalled = {name for name, _ in lines.installs}
    for (name, arch), version in lines.removals.items():
        # apt prints an architecture only where it is not the machine's own.
        if (name, arch) in lines.installs or (not arch and name in reinstalled):
            continue  # apt removes it only for a moment, to break a dependency loop
        package = next(
            (
                have
                for (known, known_arch), have in lines.have.items()
                if known == name and arch in ("", known_arch) and have.version == version
            ),
            None,
        )
        if package is None:
            raise UnreadableError(f"{name} would be removed but is not installed")
        yield Transition(
            package=name,
            arch=package.arch,
            action=Action.REMOVE,
            from_=version,
            source=package.source,
        )


def _file(lines: _Lines, name: str, arch: str, version: str) -> tuple[Artifact, str]:
    """Return the only file of that version, and the name of its source package.

    Also records the source's version where it is not the same. Raises _PackageError where the
    repositories do not describe exactly one file completely.
    """
    stanzas = [
        stanza
        for stanza in lines.stanzas
        if (stanza.get("Package"), stanza.get("Version"), stanza.get("Architecture"))
        == (name, version, arch)
    ]
    # apt gives downloaded files this name, with the epoch's colon escaped. The last part of the URI
    # may differ.
    file_name = f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
    uri, size = lines.uris.get(file_name, ("", -1))
    if len({stanza.get("SHA256") for stanza in stanzas}) > 1:
        # Two repositories have this version, built twice: take the file that apt would download.
        stanzas = [
            stanza
            for stanza in stanzas
            if stanza.get("Filename") and _ends(uri, stanza["Filename"])
        ]
    hashes = {stanza.get("SHA256", "") for stanza in stanzas}
    if len(hashes) != 1:
        raise _PackageError(f"repositories offer {len(hashes) or 'no'} different files of it")
    if not fits("file", file_name):
        raise _PackageError("the name of its file is too long")
    stanza = stanzas[0]
    sha256, length = hashes.pop(), stanza.get("Size", "")
    if not fits("sha256", sha256) or not re.fullmatch(r"[0-9]{1,15}", length):
        raise _PackageError("its repository gives no SHA-256 or no size")
    if size not in (-1, int(length)):
        raise _PackageError("its repository gives two sizes")
    source = _SOURCE.fullmatch(stanza.get("Source", name))
    if source is None:
        raise _PackageError("the name of its source package is unreadable")
    if source.group(2):
        lines.source_versions[name] = source.group(2)
    return Artifact(name=file_name, size=int(length), sha256=sha256), source.group(1)


def _ends(uri: str, path: str) -> bool:
    return unquote(uri).endswith("/" + path.lstrip("./"))


def _origin(lines: _Lines, name: str, arch: str, version: str) -> str:
    """Return `Label:codename` of every trusted index that has the version.

    Raises _PackageError where only unsigned indexes have it: then nothing confirms the file's hash.
    """
    indexes = [
        lines.indexes[description]
        for description in lines.offers.get((name, version), ())
        if description in lines.indexes and _has_arch(description, arch)
    ]
    trusted = {
        ":".join(part for part in (index.label, index.codename) if part)
        for index in indexes
        if index.trusted
    }
    if not trusted:
        raise _PackageError("it comes from no signed repository", LeftOutReason.NOT_TRUSTED)
    return ", ".join(sorted(trusted))


def _has_arch(description: str, arch: str) -> bool:
    """Return whether an index may have packages of the architecture. `description` is `ADDRESS
    RELEASE/COMPONENT ARCH Packages`; a flat repository (`ADDRESS ./ Packages`) may have any.
    """
    index = re.fullmatch(rf".* ({ARCH}) Packages", description)
    return index is None or arch in ("all", index[1])


def _needed(lines: _Lines, transitions: tuple[Transition, ...]) -> dict[str, int]:
    """Return the free space that preflight must ask for, in KiB by path."""
    installed = {key: have.kib for key, have in lines.have.items()}
    usr, var = packages_kib(
        (
            transition.action,
            transition.file.size if transition.file else 0,
            installed.get((transition.package, transition.arch), 0),
        )
        for transition in transitions
    )
    needed = {"/usr": usr, "/var/lib/patchctl": var}
    if boot := boot_kib((transition.package, transition.action) for transition in transitions):
        needed["/boot"] = boot
    return needed if transitions else {}
