"""Read what apt would do from the answer of patch_resolve's apt.sh.

    sim TEXT     of `apt-get -s`              lower NAME   goes to a lower version
    uri TEXT     of `apt-get --print-uris`    offer TEXT   of `apt-cache madison`
    show FIELD   of `apt-cache show`          have TEXT    what is installed
    show .       the end of one package       target TEXT  of `apt-get indextargets`

`resolution.py` has the frame around them. What a repository may write as it likes (labels,
addresses, fields) spoils at most the package that it is about: a line that nobody understands tells
nothing, and a package of which too little is known is unusable.
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
# have any characters: the last `[ARCH])` is apt's own.
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
    """Why one package cannot be taken. Caught in here."""

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


class _Said:
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
    """The answer as a Resolution. Raises UnreadableError on a line that apt does not write."""
    said = _sorted(answer)
    transitions = _transitions(request, said)
    return Resolution(
        host=request.host,
        manager=request.manager,
        transitions=transitions,
        dropped=tuple(answer.dropped),
        uris={
            transition.file.name: said.uris[transition.file.name][0]
            for transition in transitions
            if transition.file is not None and transition.file.name in said.uris
        },
        needed_kib=_needed(said, transitions),
        source_versions=said.source_versions,
        unusable=tuple(_unusable(request.host, said)),
    )


# --- reading lines ------------------------------------------------------------------------------


def _sorted(answer: Answer) -> _Said:
    said = _Said()
    stanza: dict[str, str] = {}
    for number, kind, rest in answer.lines:
        if kind != "show":
            _read_line(said, kind, rest, number)
        elif rest == ".":
            said.stanzas.append(stanza)
            stanza = {}
        elif field := _FIELD.fullmatch(rest):
            stanza[field[1]] = field[2]
    return said


def _read_line(said: _Said, kind: str, rest: str, number: int) -> None:
    match kind:
        case "sim":
            _read_simulated(said, rest, number)
        case "lower":
            said.lower.add(rest.partition(":")[0])
        case "uri":
            if line := _URI.fullmatch(rest):  # everything else is apt's talk: warnings, notes
                said.uris[line[2]] = (without_logins(line[1]), int(line[3]))
        case "have":
            name, arch, version, source, kib = groups(_HAVE, rest, number)
            said.have[name, arch] = _Have(
                arch=arch, version=version, kib=int(kib or 0), source=source
            )
        case "offer":
            if line := _OFFER.fullmatch(rest):
                said.offers.setdefault((line[1], line[2]), []).append(line[3])
        case "target":
            if line := _TARGET.fullmatch(rest):
                origin, label, codename = map(_told, line.groups()[1:4])
                said.indexes[line[1]] = _Index(
                    label=label or origin, codename=codename, trusted=line[5] == "yes"
                )
        case _:
            raise UnreadableError(f"line {number} of the resolve answer is of no known kind")


def _told(field: str) -> str:
    """What a Release file says; apt leaves `$(NAME)` as it is where the file says nothing."""
    return "" if field.startswith("$(") else cleaned(field)


def _read_simulated(said: _Said, rest: str, number: int) -> None:
    if line := _INST.fullmatch(rest):
        name, installed, version, arch = line.groups(default="")
        said.installs[name, arch] = (installed, version)
    elif rest.startswith("Inst "):
        (name,) = groups(_INST_NAME, rest, number)
        said.unusable[name] = _PackageError("apt's line about it is unreadable")
    elif rest.startswith("Remv "):
        name, arch, version = groups(_REMV, rest, number)
        said.removals[name, arch] = version


# --- joining them -------------------------------------------------------------------------------


def _transitions(request: HostRequest, said: _Said) -> tuple[Transition, ...]:
    made = [*_installs(request, said), *_removals(said)]
    made.sort(key=lambda transition: (transition.package, transition.arch))
    return tuple(made)


def _unusable(host: str, said: _Said) -> Iterator[Unusable]:
    """Each package that cannot be taken, and what of it is installed and must stay."""
    for name, error in sorted(said.unusable.items()):
        versions = {key[0]: to for key, (_, to) in said.installs.items()}
        installed = [have for (known, _), have in said.have.items() if known == name]
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
        new = {arch for known, arch in said.installs if known == name} - there
        # One of `all` and the machine's own architecture takes the other's place.
        for arch in () if "all" in there | new and installed else sorted(new) or [""][len(there) :]:
            yield Unusable(left_out=left_out, arch=arch)


def _installs(request: HostRequest, said: _Said) -> Iterator[Transition]:
    for (name, arch), (installed, version) in said.installs.items():
        try:
            artifact, source = _file(said, name, arch, version)
            origin = _origin(said, name, arch, version)
        except _PackageError as error:
            said.unusable[name] = error
            continue
        yield Transition(
            package=name,
            arch=arch,
            action=_action(installed, name in said.lower),
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
    # A package may change between `all` and the machine's architecture from one version to another.
    return wanted.package == name and (wanted.arch == arch or "all" in (wanted.arch, arch))


def _removals(said: _Said) -> Iterator[Transition]:
    reinstalled = {name for name, _ in said.installs}
    for (name, arch), version in said.removals.items():
        # apt names an architecture only where it is not the machine's own.
        if (name, arch) in said.installs or (not arch and name in reinstalled):
            continue  # apt takes it out for a moment to break a loop
        package = next(
            (
                have
                for (known, known_arch), have in said.have.items()
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


def _file(said: _Said, name: str, arch: str, version: str) -> tuple[Artifact, str]:
    """The one file of that version, and its source package."""
    stanzas = [
        stanza
        for stanza in said.stanzas
        if (stanza.get("Package"), stanza.get("Version"), stanza.get("Architecture"))
        == (name, version, arch)
    ]
    # apt names an archive so (EncodeString of the epoch's colon); the URI's last part may differ.
    file_name = f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
    uri, size = said.uris.get(file_name, ("", -1))
    if len({stanza.get("SHA256") for stanza in stanzas}) > 1:
        # One version in two repositories, built twice: the file that apt would fetch counts.
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
        said.source_versions[name] = source.group(2)
    return Artifact(name=file_name, size=int(length), sha256=sha256), source.group(1)


def _ends(uri: str, path: str) -> bool:
    return unquote(uri).endswith("/" + path.lstrip("./"))


def _origin(said: _Said, name: str, arch: str, version: str) -> str:
    """`Label:codename` of every trusted index that has it.

    Raises where only unsigned ones do: nothing then vouches for the file's hash.
    """
    indexes = [
        said.indexes[description]
        for description in said.offers.get((name, version), ())
        if description in said.indexes and _has_arch(description, arch)
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
    """May the index of this description (`ADDRESS RELEASE/COMPONENT ARCH Packages`) have the
    architecture? A flat one (`ADDRESS ./ Packages`) may have any."""
    index = re.fullmatch(rf".* ({ARCH}) Packages", description)
    return index is None or arch in ("all", index[1])


def _needed(said: _Said, transitions: tuple[Transition, ...]) -> dict[str, int]:
    """KiB by path, as preflight will ask for."""
    installed = {key: have.kib for key, have in said.have.items()}
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
