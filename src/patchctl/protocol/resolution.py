"""Resolution: what a host's package manager said it would do, read strictly.

The text comes from a host. Whatever does not fit the grammar makes an error of that one host.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from ..models.base import Record
from ..models.facts import PackageManager
from ..models.grammar import ARCH, NAME, VERSION, fits
from ..models.plan import Action, Artifact, LeftOut, LeftOutReason, Resolution, Transition
from ..models.requests import HostRequest, Wanted
from .cleaning import sentence


class _UnreadableError(ValueError):
    """The answer does not have the form that the script gives it."""


# `Inst NAME[:ARCH] [FROM] (TO Label:Version/Suite, … [ARCH]) [what it breaks for now]`
_INST = re.compile(
    rf"Inst ({NAME})(?::{ARCH})? (?:\[({VERSION})\] )?\(({VERSION}) (?:[^\[\]]* )?\[({ARCH})\]\)"
    r"(?: \[.*\])*"
)
_REMV = re.compile(rf"Remv ({NAME})(?::({ARCH}))? \[({VERSION})\](?: .*)?")
_DROP = re.compile(rf"(removes|failed) ({NAME}) ({ARCH}) ({VERSION}) \|(?: (.*))?")
_HAVE = re.compile(rf"({NAME}) ({ARCH}) ({VERSION}) ({NAME}) ?([0-9]{{0,12}})")
_OFFER = re.compile(rf" *({NAME}) \| +({VERSION}) \| ([!-~]+ [ -~]+)")
_TARGET = re.compile(r"([!-~]+ [ -~]+)\|([ -{}~]*)\|([ -{}~]*)\|([ -{}~]*)\|(yes|no)")
_URI = re.compile(r"'([!-~]*)' ([!-~]+) ([0-9]{1,15})(?: .*)?")
_FIELD = re.compile(r"([A-Za-z0-9-]+): ([ -~]*)")
_SOURCE = re.compile(rf"({NAME})(?: \(({VERSION})\))?")

_DROPPED = {"removes": LeftOutReason.REMOVES_PACKAGE, "failed": LeftOutReason.RESOLVE_FAILED}


class _Have(Record):
    arch: str
    version: str
    kib: int
    source: str


class _Index(Record):
    label: str
    codename: str
    trusted: bool


class _Answer:
    """The lines of one answer, sorted by kind."""

    def __init__(self) -> None:
        self.error = ""
        self.installs: dict[tuple[str, str], tuple[str, str]] = {}  # (name, arch) -> from, to
        self.removals: dict[tuple[str, str], str] = {}  # (name, arch or "") -> version
        self.lower: set[str] = set()
        self.dropped: list[LeftOut] = []
        self.uris: dict[str, tuple[str, int]] = {}  # file name -> URI, bytes
        self.stanzas: list[dict[str, str]] = []
        self.have: dict[tuple[str, str], _Have] = {}
        self.offers: dict[tuple[str, str], list[str]] = {}  # (name, version) -> index descriptions
        self.indexes: dict[str, _Index] = {}
        self.source_versions: dict[str, str] = {}


def parse_apt(request: HostRequest, text: str) -> Resolution:
    """The answer of `roles/patch_resolve/files/apt.sh` as a Resolution.

    Never raises on what the text contains: the `error` says what is wrong with it.
    """
    try:
        answer = _read(request.host, text)
        if answer.error:
            return _failed(request, answer.error)
        transitions = _transitions(request, answer)
        _check_complete(request, answer, transitions)
    except _UnreadableError as error:
        return _failed(request, str(error))
    return Resolution(
        host=request.host,
        manager=PackageManager.APT,
        transitions=transitions,
        dropped=tuple(answer.dropped),
        uris={
            one.file.name: answer.uris[one.file.name][0]
            for one in transitions
            if one.file is not None and one.file.name in answer.uris
        },
        needed_kib=_needed(answer, transitions),
        source_versions=answer.source_versions,
    )


def _failed(request: HostRequest, error: str) -> Resolution:
    return Resolution(host=request.host, manager=PackageManager.APT, error=error)


# --- reading lines ------------------------------------------------------------------------------


def _read(host: str, text: str) -> _Answer:
    lines = text.removesuffix("\n").split("\n")
    if not lines or lines[0] != "resolve 1 apt":
        raise _UnreadableError("the resolve script gave no answer")
    if lines[-1] != "end":
        raise _UnreadableError("the answer of the resolve script is cut off")
    answer = _Answer()
    stanza: dict[str, str] = {}
    for number, line in enumerate(lines[1:-1], start=2):
        kind, _, rest = line.partition(" ")
        if kind == "show":
            if rest == ".":
                answer.stanzas.append(stanza)
                stanza = {}
            else:
                key, value = _groups(_FIELD, rest, number)
                stanza[key] = value
        else:
            _read_line(answer, host, kind, rest, number)
    return answer


def _read_line(answer: _Answer, host: str, kind: str, rest: str, number: int) -> None:
    match kind:
        case "error":
            answer.error = sentence(rest) or "the package manager refuses"
        case "drop":
            why, name, _, version, detail = _groups(_DROP, rest, number)
            answer.dropped.append(
                LeftOut(
                    host=host,
                    reason=_DROPPED[why],
                    package=name,
                    version=version,
                    detail=_drop_detail(why, detail),
                )
            )
        case "sim":
            _read_simulated(answer, rest, number)
        case "lower":
            answer.lower.add(rest.partition(":")[0])
        case "uri":
            if rest.startswith("'"):  # everything else is apt's talk: warnings, notes
                uri, name, size = _groups(_URI, rest, number)
                answer.uris[name] = (uri, int(size))
        case "have":
            name, arch, version, source, kib = _groups(_HAVE, rest, number)
            answer.have[name, arch] = _Have(
                arch=arch, version=version, kib=int(kib or 0), source=source
            )
        case "offer":
            name, version, description = _groups(_OFFER, rest, number)
            answer.offers.setdefault((name, version), []).append(description)
        case "target":
            description, origin, label, codename, trusted = _groups(_TARGET, rest, number)
            answer.indexes[description] = _Index(
                label=label or origin, codename=codename, trusted=trusted == "yes"
            )
        case _:
            raise _UnreadableError(f"line {number} of the resolve answer is of no known kind")


def _read_simulated(answer: _Answer, rest: str, number: int) -> None:
    if rest.startswith("Inst "):
        name, installed, version, arch = _groups(_INST, rest, number)
        answer.installs[name, arch] = (installed, version)
    elif rest.startswith("Remv "):
        name, arch, version = _groups(_REMV, rest, number)
        answer.removals[name, arch] = version


def _groups(pattern: re.Pattern[str], text: str, number: int) -> tuple[str, ...]:
    match = pattern.fullmatch(text)
    if match is None:
        raise _UnreadableError(
            f"line {number} of the resolve answer is unreadable: {sentence(text)[:80]!r}"
        )
    return match.groups(default="")


def _drop_detail(why: str, detail: str) -> str:
    said = sentence(detail)
    if why == "removes":
        return f"would remove {', '.join(said.split())}"
    return said or "the package manager refuses it"


# --- joining them -------------------------------------------------------------------------------


def _transitions(request: HostRequest, answer: _Answer) -> tuple[Transition, ...]:
    made = [*_installs(request, answer), *_removals(answer)]
    made.sort(key=lambda one: (one.package, one.arch))
    return tuple(made)


def _installs(request: HostRequest, answer: _Answer) -> Iterator[Transition]:
    for (name, arch), (installed, version) in answer.installs.items():
        artifact, source = _file(answer, name, arch, version)
        yield Transition(
            package=name,
            arch=arch,
            action=_action(installed, name in answer.lower),
            from_=installed,
            to=version,
            source=source,
            origin=_origin(answer, name, version),
            file=artifact,
            requested=any(_same(wanted, name, arch) for wanted in request.wanted),
        )


def _action(installed: str, lower: bool) -> Action:
    if not installed:
        return Action.NEW
    return Action.DOWNGRADE if lower else Action.UPGRADE


def _same(wanted: Wanted, name: str, arch: str) -> bool:
    # A package may change between `all` and the machine's architecture from one version to another.
    return wanted.package == name and (wanted.arch == arch or "all" in (wanted.arch, arch))


def _removals(answer: _Answer) -> Iterator[Transition]:
    reinstalled = {name for name, _ in answer.installs}
    for (name, arch), version in answer.removals.items():
        if name in reinstalled:
            continue  # apt takes it out for a moment to break a loop
        found = next(
            (
                have
                for (known, known_arch), have in answer.have.items()
                if known == name and arch in ("", known_arch) and have.version == version
            ),
            None,
        )
        if found is None:
            raise _UnreadableError(f"{name} would be removed but is not installed")
        yield Transition(
            package=name,
            arch=found.arch,
            action=Action.REMOVE,
            from_=version,
            source=found.source,
        )


def _file(answer: _Answer, name: str, arch: str, version: str) -> tuple[Artifact, str]:
    """The one file of that version, and its source package."""
    stanzas = [
        stanza
        for stanza in answer.stanzas
        if (stanza.get("Package"), stanza.get("Version"), stanza.get("Architecture"))
        == (name, version, arch)
    ]
    # apt names an archive so (EncodeString of the epoch's colon); the URI's last part may differ.
    file_name = f"{name}_{version.replace(':', '%3a')}_{arch}.deb"
    uri, size = answer.uris.get(file_name, ("", -1))
    if len({stanza.get("SHA256") for stanza in stanzas}) > 1:
        # One version in two repositories, built twice: the file that apt would fetch counts.
        stanzas = [one for one in stanzas if one.get("Filename") and _ends(uri, one["Filename"])]
    hashes = {stanza.get("SHA256", "") for stanza in stanzas}
    if len(hashes) != 1:
        raise _UnreadableError(
            f"{name} {version}: repositories offer {len(hashes) or 'no'} different files of it"
        )
    if not fits("file", file_name):
        raise _UnreadableError(f"{name} {version}: the name of its file is too long")
    stanza = stanzas[0]
    sha256, length = hashes.pop(), stanza.get("Size", "")
    if not fits("sha256", sha256) or not re.fullmatch(r"[0-9]{1,15}", length):
        raise _UnreadableError(f"{name} {version}: its repository gives no SHA-256 or no size")
    if size not in (-1, int(length)):
        raise _UnreadableError(f"{name} {version}: its repository gives two sizes")
    source = _SOURCE.fullmatch(stanza.get("Source", name))
    if source is None:
        raise _UnreadableError(f"{name} {version}: unreadable source package")
    if source.group(2):
        answer.source_versions[name] = source.group(2)
    return Artifact(name=file_name, size=int(length), sha256=sha256), source.group(1)


def _ends(uri: str, path: str) -> bool:
    return unquote(uri).endswith("/" + path.lstrip("./"))


def _origin(answer: _Answer, name: str, version: str) -> str:
    """`Label:codename` of every trusted index that has it.

    Raises where only unsigned ones do: nothing then vouches for the file's hash.
    """
    indexes = [
        answer.indexes[description]
        for description in answer.offers.get((name, version), ())
        if description in answer.indexes
    ]
    trusted = {
        ":".join(part for part in (index.label, index.codename) if part)
        for index in indexes
        if index.trusted
    }
    if not trusted:
        raise _UnreadableError(f"{name} {version} comes from no signed repository")
    return ", ".join(sorted(trusted))


def _check_complete(
    request: HostRequest, answer: _Answer, transitions: tuple[Transition, ...]
) -> None:
    dropped = {(line.package, line.version) for line in answer.dropped}
    reached = {(one.package, one.to) for one in transitions}
    for wanted in request.wanted:
        key = (wanted.package, wanted.version)
        if key not in dropped and key not in reached:
            raise _UnreadableError(
                f"{wanted.package} would not come to {wanted.version}; discover the host again"
            )


def _needed(answer: _Answer, transitions: tuple[Transition, ...]) -> dict[str, int]:
    """KiB by path: growth under /usr, new and old files kept, and what a kernel puts in /boot."""
    sizes = {
        (stanza.get("Package", ""), stanza.get("Version", "")): stanza.get("Installed-Size", "")
        for stanza in answer.stanzas
    }
    growth = boot = download = 0
    for one in transitions:
        text = sizes.get((one.package, one.to), "")
        new = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0
        old = answer.have.get((one.package, one.arch))
        growth += max(0, new - (old.kib if old is not None and one.from_ else 0))
        download += one.file.size if one.file is not None else 0
        if one.package.startswith("linux-image-") and one.action is Action.NEW:
            boot += _KERNEL_KIB
    needed = {"/usr": growth, "/var/lib/patchctl": 2 * (download // 1024) + 1024}
    if boot:
        needed["/boot"] = boot
    return needed if transitions else {}


# A kernel's image and map, and the initial RAM disk that is made for it: 60 to 90 MiB on Debian 12.
_KERNEL_KIB = 96 * 1024
