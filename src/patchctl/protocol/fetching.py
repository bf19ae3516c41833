"""Ask hosts for pieces of package files, and read the pieces that they send. Pure.

The answer has the same form for every package manager: pieces by hash and offset. The scripts in
roles/patch_fetch know how each manager downloads its files.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..models import grammar
from ..models.base import Record
from ..models.facts import PackageManager
from ..models.plan import Artifact, LeftOut, LeftOutReason
from ..models.resolution import Resolution
from .cleaning import sentence
from .managers import repository

# The most bytes of files in one answer. A host may send 64 MiB, and base64 turns 3 bytes into 4.
MESSAGE_BYTES = 30 * 1024 * 1024

_PIECE = re.compile(r"piece ([0-9a-f]{64}) ([0-9]{1,15}) ([0-9]{1,9})")
_FAILED = re.compile(r"failed ([0-9a-f]{64})(?: (.*))?")


class Needed(Record):
    """A file of the plan and the hosts that can download it, best first.

    `repositories` are the names of their repositories, in the order of `hosts`; "" without a name.
    """

    manager: PackageManager
    package: str
    arch: str
    version: str
    file: Artifact
    hosts: tuple[str, ...]
    repositories: tuple[str, ...] = ()

    def repository(self, host: str) -> str:
        """Return the host's name of the repository, "" where it has none."""
        return dict(zip(self.hosts, self.repositories, strict=False)).get(host, "")


class Piece(Record):
    """A part of a file: `length` bytes from `offset`."""

    needed: Needed
    offset: int
    length: int


class Received(Record):
    """A piece that a host sent. `data` has the requested length; its hash is not checked yet."""

    sha256: str
    offset: int
    data: bytes


class Refused(Record):
    """A file that the host could not send."""

    sha256: str
    reason: str


def needed_files(
    taken: Iterable[Resolution], ring_of: Mapping[str, str], rings: Sequence[str]
) -> tuple[Needed, ...]:
    """Return every distinct file once. Hosts of early rings come first: they need it first."""
    rank = {name: number for number, name in enumerate(rings)}
    files: dict[str, Needed] = {}
    hosts: dict[str, dict[str, str]] = {}  # hash -> host -> repository
    for resolution in taken:
        for transition in resolution.transitions:
            if transition.file is None:
                continue
            hosts.setdefault(transition.file.sha256, {})[resolution.host] = repository(
                resolution.manager, transition
            )
            files.setdefault(
                transition.file.sha256,
                Needed(
                    manager=resolution.manager,
                    package=transition.package,
                    arch=transition.arch,
                    version=transition.to,
                    file=transition.file,
                    hosts=(),
                ),
            )
    return tuple(
        _from(
            transition,
            sorted(hosts[sha256].items(), key=lambda pair: (rank[ring_of[pair[0]]], pair[0])),
        )
        for sha256, transition in sorted(files.items())
    )


def _from(needed: Needed, pairs: Sequence[tuple[str, str]]) -> Needed:
    return msgspec.structs.replace(
        needed,
        hosts=tuple(host for host, _ in pairs),
        repositories=tuple(name for _, name in pairs),
    )


def messages(files: Iterable[Needed], limit: int = MESSAGE_BYTES) -> list[tuple[Piece, ...]]:
    """Split the files of one host into messages of at most `limit` bytes."""
    done: list[tuple[Piece, ...]] = []
    current: list[Piece] = []
    room = limit
    for file in files:
        offset = 0
        while offset < file.file.size:
            length = min(room, file.file.size - offset)
            current.append(Piece(needed=file, offset=offset, length=length))
            offset += length
            room -= length
            if room == 0:
                done.append(tuple(current))
                current, room = [], limit
    return [*done, tuple(current)] if current else done


def payload(work: str, pieces: Iterable[Piece], *, host: str, keep: bool) -> str:
    """Return the text of one request to a host. `work` is hex digits that name the plan being made;
    `keep` tells the host that more requests follow.

    Raises ValueError on a word outside of the grammar.
    """
    if not re.fullmatch(r"[0-9a-f]{1,40}", work):
        raise ValueError(f"not hex digits: {work!r}")
    lines = ["patchctl-fetch 1", f"work {work}", f"keep {'yes' if keep else 'no'}"]
    for piece in pieces:
        needed = piece.needed
        words = (needed.file.name, needed.package, needed.arch, needed.version, needed.file.sha256)
        named = needed.repository(host) or "-"
        if not (
            grammar.fits("file", needed.file.name)
            and grammar.is_name(needed.package)
            and grammar.is_arch(needed.arch)
            and grammar.is_version(needed.version)
            and grammar.fits("sha256", needed.file.sha256)
            and (named == "-" or grammar.fits("repository", named))
        ):
            raise ValueError(f"outside of the grammar: {words}")
        lines.append(f"piece {' '.join(words)} {piece.offset} {piece.length} {named}")
    return "\n".join(lines) + "\n"


def parse(text: str, pieces: Sequence[Piece]) -> Iterator[Received | Refused]:
    """Return what the answer to one request contains. Raises ValueError where it is cut off,
    unreadable, or not what was requested.
    """
    asked = {(piece.needed.file.sha256, piece.offset): piece.length for piece in pieces}
    lines = iter(text.removesuffix("\n").split("\n"))
    if next(lines, "") != "fetch 1":
        raise ValueError("the fetch script gave no answer")
    for line in lines:
        if line == "end":
            return
        if match := _PIECE.fullmatch(line):
            sha256, offset = match.group(1), int(match.group(2))
            data = _body(lines)
            if asked.get((sha256, offset)) != len(data):
                raise ValueError(f"{len(data)} bytes of {sha256[:12]} were not asked for")
            yield Received(sha256=sha256, offset=offset, data=data)
        elif match := _FAILED.fullmatch(line):
            yield Refused(sha256=match.group(1), reason=sentence(match.group(2) or ""))
        else:
            raise ValueError("a line of the fetch script's answer is unreadable")
    raise ValueError("the answer of the fetch script is cut off")


def _body(lines: Iterator[str]) -> bytes:
    body: list[str] = []
    for line in lines:
        if line == ".":
            try:
                return binascii.a2b_base64("".join(body), strict_mode=True)
            except (binascii.Error, ValueError) as error:
                raise ValueError("a piece is not base64") from error
        body.append(line)
    raise ValueError("the answer of the fetch script is cut off")


def without_files(
    taken: Iterable[Resolution], missing: Mapping[str, str]
) -> tuple[tuple[Resolution, ...], tuple[LeftOut, ...]]:
    """Return the resolutions whose files are all there, and a reason for each package of the
    others. `missing` is SHA-256 -> reason.
    """
    complete: list[Resolution] = []
    left_out: list[LeftOut] = []
    for resolution in taken:
        lacking = [
            transition
            for transition in resolution.transitions
            if transition.file is not None and transition.file.sha256 in missing
        ]
        if not lacking:
            complete.append(resolution)
        left_out.extend(
            LeftOut(
                host=resolution.host,
                reason=LeftOutReason.FETCH_FAILED,
                package=transition.package,
                version=transition.to,
                detail=missing[transition.file.sha256],
            )
            for transition in lacking
            if transition.file is not None
        )
    return tuple(complete), tuple(left_out)
