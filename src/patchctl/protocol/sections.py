"""Split the discovery script's output into sections, and record lines that nobody understands."""

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
    """Lines that no parser understood; bounded, with a last line that counts the rest."""

    lines: list[UnparsedLine] = field(default_factory=list)
    more: int = 0

    def add(self, section: str, line: str) -> None:
        """Record a line of a section."""
        if len(self.lines) < UNPARSED_MAX:
            self.lines.append(UnparsedLine(section=section, line=line[:LINE_MAX]))
        else:
            self.more += 1

    def all(self) -> tuple[UnparsedLine, ...]:
        """Everything recorded."""
        if not self.more:
            return tuple(self.lines)
        return (*self.lines, UnparsedLine(section="", line=f"and {self.more} lines more"))


@dataclass
class Section:
    """`code` is the exit code of the section's command, None where its end is missing."""

    name: str
    lines: list[str] = field(default_factory=list)
    code: int | None = None


def split(output: str, unparsed: Unparsed) -> dict[str, Section]:
    """The sections by name, without empty lines. A section that comes twice is unparsed."""
    sections: dict[str, Section] = {}
    current: Section | None = None
    # Not splitlines(): it also breaks at form feeds and U+2028, which are text here.
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
    """Free text of a host as it was said, trimmed and at most 500 characters.

    Facts are evidence, so nothing in them is replaced: whoever shows them cleans them.
    """
    return text.strip()[:TEXT_MAX]


def number(text: str) -> int | None:
    """A whole number of at most 18 ASCII digits, so that it fits a database, or None."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def fields(line: str, count: int) -> list[str] | None:
    """The tab-separated fields, or None where there are not exactly `count`."""
    words = line.split("\t")
    return words if len(words) == count else None
