"""Fetching: which host sends which piece of which file, and what it sent. Pure.

The answer is alike for every package manager: pieces by hash and offset. How one gets its files is
the affair of its script in roles/patch_fetch.
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

# One message of a host; 64 MiB is the most that a host may send, and base64 makes 3 bytes 4.
MESSAGE_BYTES = 30 * 1024 * 1024

_PIECE = re.compile(r"piece ([0-9a-f]{64}) ([0-9]{1,15}) ([0-9]{1,9})")
_FAILED = re.compile(r"failed ([0-9a-f]{64})(?: (.*))?")


class Needed(Record):
    """A file of the plan and the hosts that can fetch it, the best first."""

    manager: PackageManager
    package: str
    arch: str
    version: str
    file: Artifact
    hosts: tuple[str, ...]


class Piece(Record):
    """A part of a file: `length` bytes from `offset` on."""

    needed: Needed
    offset: int
    length: int


class Received(Record):
    """A piece that came. `data` has the length that was asked for; its hash is not checked yet."""

    sha256: str
    offset: int
    data: bytes


class Refused(Record):
    """A file that the host could not give."""

    sha256: str
    reason: str


def needed_files(
    taken: Iterable[Resolution], ring_of: Mapping[str, str], rings: Sequence[str]
) -> tuple[Needed, ...]:
    """Every distinct file once. Hosts of early rings come first: they get it first anyway."""
    rank = {name: number for number, name in enumerate(rings)}
    found: dict[str, Needed] = {}
    hosts: dict[str, set[str]] = {}
    for resolution in taken:
        for one in resolution.transitions:
            if one.file is None:
                continue
            hosts.setdefault(one.file.sha256, set()).add(resolution.host)
            found.setdefault(
                one.file.sha256,
                Needed(
                    manager=resolution.manager,
                    package=one.package,
                    arch=one.arch,
                    version=one.to,
                    file=one.file,
                    hosts=(),
                ),
            )
    return tuple(
        msgspec.structs.replace(
            one, hosts=tuple(sorted(hosts[sha256], key=lambda name: (rank[ring_of[name]], name)))
        )
        for sha256, one in sorted(found.items())
    )


def messages(files: Iterable[Needed], limit: int = MESSAGE_BYTES) -> list[tuple[Piece, ...]]:
    """The pieces of one host's files, in messages of at most `limit` bytes."""
    done: list[tuple[Piece, ...]] = []
    current: list[Piece] = []
    room = limit
    for one in files:
        offset = 0
        while offset < one.file.size:
            length = min(room, one.file.size - offset)
            current.append(Piece(needed=one, offset=offset, length=length))
            offset += length
            room -= length
            if room == 0:
                done.append(tuple(current))
                current, room = [], limit
    return [*done, tuple(current)] if current else done


def payload(work: str, pieces: Iterable[Piece], *, keep: bool) -> str:
    """The request of one message. `work`: hex digits that name the plan being made.

    Raises ValueError on a word outside of the grammar.
    """
    if not re.fullmatch(r"[0-9a-f]{1,40}", work):
        raise ValueError(f"not hex digits: {work!r}")
    lines = ["patchctl-fetch 1", f"work {work}", f"keep {'yes' if keep else 'no'}"]
    for piece in pieces:
        one = piece.needed
        words = (one.file.name, one.package, one.arch, one.version, one.file.sha256)
        if not (
            grammar.fits("file", one.file.name)
            and grammar.is_name(one.package)
            and grammar.is_arch(one.arch)
            and grammar.is_version(one.version)
            and grammar.fits("sha256", one.file.sha256)
        ):
            raise ValueError(f"outside of the grammar: {words}")
        lines.append(f"piece {' '.join(words)} {piece.offset} {piece.length}")
    return "\n".join(lines) + "\n"


def parse(text: str, pieces: Sequence[Piece]) -> Iterator[Received | Refused]:
    """What one message brought. Raises ValueError where it is not what was asked for."""
    asked = {(one.needed.file.sha256, one.offset): one.length for one in pieces}
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
                raise ValueError("a piece is no base64") from error
        body.append(line)
    raise ValueError("the answer of the fetch script is cut off")


def without_files(
    taken: Iterable[Resolution], missing: Mapping[str, str]
) -> tuple[tuple[Resolution, ...], tuple[LeftOut, ...]]:
    """Hosts whose files are all there, and the others with the reason. `missing`: hash to why."""
    kept: list[Resolution] = []
    left_out: list[LeftOut] = []
    for resolution in taken:
        lacking = [
            one
            for one in resolution.transitions
            if one.file is not None and one.file.sha256 in missing
        ]
        if not lacking:
            kept.append(resolution)
        left_out.extend(
            LeftOut(
                host=resolution.host,
                reason=LeftOutReason.FETCH_FAILED,
                package=one.package,
                version=one.to,
                detail=missing[one.file.sha256],
            )
            for one in lacking
            if one.file is not None
        )
    return tuple(kept), tuple(left_out)
