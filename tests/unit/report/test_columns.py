"""Tables: names stay complete, free text is cut to the terminal, and without one nothing is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.report.columns import layout, width_of

HEADER = ("HOST", "RING", "REASON")
LONG = "the disk is full and so are the words of this reason " * 3
ROWS = [("web1.example.com", "staging", LONG.strip()), ("db1", "production", "")]


def test_a_table_fits_80_columns_and_cuts_only_free_text() -> None:
    lines = layout(HEADER, ROWS, 80)
    assert max(map(width_of, lines)) <= 80
    assert len(lines) == 3
    assert lines[1].startswith("web1.example.com  staging     the disk is full")
    assert lines[1].endswith("…")


def test_without_a_terminal_nothing_is_cut() -> None:
    assert layout(HEADER, ROWS)[1].endswith(LONG.strip())


def test_a_narrow_table_is_the_same_on_a_terminal() -> None:
    rows = [("a", "b", "c")]
    assert (
        layout(HEADER, rows, 80) == layout(HEADER, rows) == ["HOST  RING  REASON", "a     b     c"]
    )


def test_names_stay_whole_though_they_are_too_wide() -> None:
    name = "x" * 100
    assert name in layout(("HOST", "RING"), [(name, "staging")], 80)[1]
    assert name in layout(HEADER, [(name, "staging", LONG)], 80)[1]


def test_what_there_is_to_know_of_one_thing_is_wrapped_below_itself() -> None:
    lines = layout(("WHAT", "VALUE"), [("groups", "alpha beta gamma delta")], 24)
    assert lines == ["WHAT    VALUE", "groups  alpha beta gamma", "        delta"]


def test_a_word_that_is_too_long_stays_whole_to_be_copied() -> None:
    path = "/" + "long/" * 20
    assert any(
        line.strip() == path for line in layout(("WHAT", "VALUE"), [("a", f"at {path}")], 30)
    )


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_what_a_terminal_shows(text: str, width: int) -> None:
    assert width_of(text) == width


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=60)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.integers(20, 120))
def test_a_table_with_any_text_keeps_its_width(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    lines = layout(HEADER, rows, width)
    assert len(lines) == len(rows) + 1
    names = [sum(width_of(cell) for cell in row[:2]) for row in rows]
    if all(size + 4 + 12 <= width // 2 for size in names):
        assert all(width_of(line) <= width for line in lines)
    for row, line in zip(rows, lines[1:], strict=True):
        assert line.startswith(row[0])
        assert row[1] in line
