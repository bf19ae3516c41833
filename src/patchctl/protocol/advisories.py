"""Read the advisories of a host's repositories from the answer of patch_fetch's advisories.sh.

    advisories 1
    repository NAME REVISION BASE64   the repository's updateinfo, unchanged
    without NAME                      the repository publishes none
    failed NAME REASON                reading it failed; NAME `-` is the host itself
    end

The updateinfo itself is not parsed here and still hostile: `assessment.feeds` reads it.
"""

import binascii
import re

from ..models.base import Record
from .cleaning import sentence

# Far more than any host has. A limit is needed since each repository gives a file and a feed.
_REPOSITORIES = 200

_GIVEN = re.compile(r"repository ([A-Za-z0-9._:-]{1,100}) ([0-9]{1,12}|-) ([A-Za-z0-9+/=]+)")
_WITHOUT = re.compile(r"without ([A-Za-z0-9._:-]{1,100})")
_FAILED = re.compile(r"failed ([A-Za-z0-9._:-]{1,100}) (.*)")


class Given(Record):
    """The updateinfo of a repository, unchanged and hostile. `revision` is the time of its index in
    epoch seconds UTC, 0 where unknown.
    """

    repository: str
    revision: int
    data: bytes


class Nothing(Record):
    """A repository without advisories, or with some that could not be read (`-`: the host)."""

    repository: str
    failure: str = ""


def parse(text: str) -> tuple[Given | Nothing, ...]:
    """Parse a host's answer. Raises ValueError where it does not have the form above."""
    lines = text.removesuffix("\n").split("\n", _REPOSITORIES + 2)
    if lines[0] != "advisories 1":
        raise ValueError("the script gave no answer")
    if lines[-1] != "end":
        raise ValueError("the answer is cut off or names too many repositories")
    return tuple(_line(line) for line in lines[1:-1])


def _line(line: str) -> Given | Nothing:
    if match := _GIVEN.fullmatch(line):
        try:
            data = binascii.a2b_base64(match[3], strict_mode=True)
        except binascii.Error as error:
            raise ValueError("advisories are not base64") from error
        return Given(repository=match[1], revision=_revision(match[2]), data=data)
    if match := _WITHOUT.fullmatch(line):
        return Nothing(repository=match[1])
    if match := _FAILED.fullmatch(line):
        return Nothing(repository=match[1], failure=sentence(match[2]) or "no reason given")
    raise ValueError("a line of the answer is unreadable")


def _revision(text: str) -> int:
    # createrepo writes a time as the revision, but a site may set any other number.
    return int(text) if 9 <= len(text) <= 11 else 0
