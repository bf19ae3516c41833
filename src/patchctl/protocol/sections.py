"""Split the output of the discovery script into sections, and record lines that no parser knows."""

import re
from dataclasses import dataclass, field

from ..models.facts import UnparsedLine

UNPARSED_MAX = 200
LINE_MAX = 300
TEXT_MAX = 500

_HEADING = re.compile(r"\[([a-z0-9_]{1,40})\]")
_END = re.compile(r"=(\d{1,3})")


@dataclass
class Unparsed:
    """Lines that no parser knows. At most UNPARSED_MAX; a last line counts the others."""

    lines: list[UnparsedLine] = field(default_factory=list)
    more: int = 0

    def add(self, section: str, line: str) -> None:
        """Record a line of a section."""
        if len(self.lines) < UNPARSED_MAX:
            self.lines.append(UnparsedLine(section=section, line=line[:LINE_MAX]))
        else:
            self.more += 1

    def all(self) -> tuple[UnparsedLine, ...]:
        """Return everything that was recorded."""
        if not self.more:
            return tuple(self.lines)
        return (*self.lines, UnparsedLine(section="", line=f"and {self.more} lines more"))


@dataclass
class Section:
    """The lines of a section. `code` is the exit code of its command, None where the section was
    cut off.
    """

    name: str
    lines: list[str] = field(default_factory=list)
    code: int | None = None


def split(output: str, unparsed: Unparsed) -> dict[str, Section]:
    """Return the sections by name, without empty lines. The lines of a repeated section are
    recorded as unparsed.
    """
    sections: dict[str, Section] = {}
    current: Section | None = None
    # Not splitlines(): it also splits at form feeds and U+2028, which are text here.
    for line in output.split("\n"):
        heading = _HEADING.fullmatch(line)
        if heading and heading[1] not in sections:
            current = sections[heading[1]] = Section(heading[1])
        elif current is not None and current.code is None and line.startswith(" "):
            if line.strip():
                current.lines.append(line[1:])
        elif current is not None and current.code is None and (end := _END.fullmatch(line)):
            current.code = int(end[1])
        elif line.strip():
            unparsed.add("", line)
    return sections


def clip(text: str) -> str:
    """Return the host's text trimmed and at most 500 characters long, otherwise unchanged.

    Facts are evidence, so nothing in them is replaced; the code that shows them cleans them.
    """
    return text.strip()[:TEXT_MAX]


def number(text: str) -> int | None:
    """Return a whole number of at most 18 ASCII digits, which fits a database, or None."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def fields(line: str, count: int) -> list[str] | None:
    """Return the tab-separated fields, or None where there are not exactly `count`."""
    words = line.split("\t")
    return words if len(words) == count else None
