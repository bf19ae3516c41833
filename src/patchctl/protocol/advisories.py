"""Read the advisories of a host's repositories from the answer of patch_fetch's advisories.sh.

    advisories 1
    repository NAME REVISION BASE64   updateinfo as the repository has it
    without NAME                      it publishes none
    failed NAME REASON                it could not be read; `-` is the host itself
    end

What is in them is hostile still: `assessment.feeds` reads it.
"""

import binascii
import re

from ..models.base import Record
from .cleaning import sentence

# Far more than any host has; each is a file and a feed.
_REPOSITORIES = 200

_GIVEN = re.compile(r"repository ([A-Za-z0-9._:-]{1,100}) ([0-9]{1,12}|-) ([A-Za-z0-9+/=]+)")
_WITHOUT = re.compile(r"without ([A-Za-z0-9._:-]{1,100})")
_FAILED = re.compile(r"failed ([A-Za-z0-9._:-]{1,100}) (.*)")


class Given(Record):
    """What a repository publishes, as it is: hostile. `revision`: epoch seconds UTC of its index,
    0 where it does not tell."""

    repository: str
    revision: int
    data: bytes


class Nothing(Record):
    """A repository without advisories, or one (`-`: the host) that could not give them."""

    repository: str
    failure: str = ""


def parse(text: str) -> tuple[Given | Nothing, ...]:
    """A host's answer. Raises ValueError where it is not one."""
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
            raise ValueError("advisories are no base64") from error
        return Given(repository=match[1], revision=_revision(match[2]), data=data)
    if match := _WITHOUT.fullmatch(line):
        return Nothing(repository=match[1])
    if match := _FAILED.fullmatch(line):
        return Nothing(repository=match[1], failure=sentence(match[2]) or "no reason given")
    raise ValueError("a line of the answer is unreadable")


def _revision(text: str) -> int:
    # createrepo's revision is a time unless somebody chose another number.
    return int(text) if 9 <= len(text) <= 11 else 0
