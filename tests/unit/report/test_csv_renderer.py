"""CSV: rows of equal fields, in which no spreadsheet finds a formula."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from patchctl.errors import UsageError
from patchctl.models.failure import failure
from patchctl.report.csv_renderer import CsvRenderer
from patchctl.report.error_view import ErrorView
from patchctl.report.formats import Format, of_any_view
from patchctl.report.view import Aside, Cell, Note, Part, RowsView, View


@dataclass
class Sheet:
    """A screen that stores what is written to it."""

    width: int | None = None
    quiet: bool = False
    text: str = ""
    beside: list[str] = field(default_factory=list)

    def clean(self, text: str) -> str:
        return text.replace("\x1b", "\\x1b").replace("\n", "\\n")

    def write(self, text: str) -> None:
        self.text += text

    def encoded(self, part: bytes) -> None:
        self.text += part.decode()

    def note(self, text: str) -> None:
        self.beside.append(text)

    def problem(self, text: str) -> None:
        self.beside.append(text)


@dataclass(frozen=True)
class Hosts(RowsView):
    cells: Sequence[Cell]

    def data(self) -> Any:
        return None

    def fields(self) -> Sequence[str]:
        return [f"field{number}" for number in range(len(self.cells))]

    def rows(self) -> Iterator[Sequence[Cell]]:
        yield self.cells

    def parts(self) -> Iterator[Part]:
        yield Note("not in CSV")


def written(view: View) -> str:
    sheet = Sheet()
    CsvRenderer().render(view, sheet)
    assert sheet.beside == []
    return sheet.text


def cell(value: Cell) -> str:
    header, row = csv.reader(io.StringIO(written(Hosts([value]))))
    assert header == ["field0"]
    return row[0]


def test_a_header_and_a_line_for_each_row() -> None:
    text = written(Hosts(["web1", 3, -1.5, True, False, None]))
    assert text.splitlines()[1] == '"web1",3,-1.5,"true","false",""'


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "  '=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ('a,"=1', "a,\"'=1"),
        ("a\t=1", "a\t'=1"),
        ("a|@x", "a|'@x"),
    ],
)
def test_no_cell_is_a_formula(given: str, shown: str) -> None:
    assert cell(given) == shown


@pytest.mark.parametrize("text", ["web-1", "a = b", "1.2-3+deb12u1", "ops@example.com", ""])
def test_other_text_stays(text: str) -> None:
    assert cell(text) == text


def test_text_of_hosts_is_cleaned_and_stays_in_its_cell() -> None:
    assert cell('a\x1b[31m"b",\nc') == 'a\\x1b[31m"b",\\nc'


def test_a_view_without_rows_is_refused() -> None:
    class Single(View):
        def data(self) -> Any:
            return {}

        def parts(self) -> Iterator[Part]:
            return iter(())

    with pytest.raises(UsageError, match="no table of rows"):
        written(Single())


def test_a_verb_without_rows_refuses_it_before_it_does_anything() -> None:
    with pytest.raises(UsageError, match="no table of rows"):
        of_any_view(Format.CSV)
    others = [form for form in Format if form is not Format.CSV]
    assert list(map(of_any_view, others)) == others


def test_errors_and_questions_are_no_rows() -> None:
    class Question(Aside):
        def parts(self) -> Iterator[Part]:
            yield Note("6 hosts")

    assert written(Question()) == ""
    assert written(ErrorView(failure(UsageError("wrong"), 2))) == ""
