"""The format for spreadsheets: the rows of a view as CSV (RFC 4180)."""

import csv
import io
import re
from collections.abc import Iterable

from ..errors import UsageError
from .error_view import ErrorView
from .renderer import Screen
from .view import Aside, Cell, RowsView, View

NO_ROWS, NO_ROWS_HINT = "-o csv: this result is no table of rows", "use -o json"

# A spreadsheet runs a text as a formula that begins with one of these, also in their full-width
# forms, behind blanks, and behind what it may take for a separator
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(\s*[\"']?\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


class CsvRenderer:
    """Writes a header with the names of the fields, and a line for each row. An error is on stderr
    only: a table without rows would look like a result.
    """

    live = False
    rows_only = True

    def render(self, view: View, screen: Screen) -> None:
        """Write the rows to stdout. Raises UsageError for a view that has none."""
        if isinstance(view, (Aside, ErrorView)):
            return
        if not isinstance(view, RowsView):
            raise UsageError(NO_ROWS, hint=NO_ROWS_HINT)
        self._write([view.fields()], screen)
        self._write(([_cell(value, screen) for value in row] for row in view.rows()), screen)

    def _write(self, rows: Iterable[Iterable[object]], screen: Screen) -> None:
        text = io.StringIO()
        # Texts stand in quotes, so that a semicolon in them begins no cell anywhere.
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(rows)
        screen.encoded(text.getvalue().encode())


def _cell(value: Cell, screen: Screen) -> str | int | float:
    """A number as it is, nothing for None, and a text that no spreadsheet takes for a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
    return _FORMULA.sub(r"\1\2'", screen.clean(value))
