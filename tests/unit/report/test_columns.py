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
    assert lines[1].endswith(" of this…"), "a word is cut"


def test_columns_that_do_not_fit_stand_below_the_first_ones() -> None:
    header = ("HOST", "CVE", "INSTALLED", "FIXED", "STATE")
    version = "1:3.0.20-1~deb12u2+really3.0.19"
    row = ("web1.example.com", "CVE-2024-6387", version, f"{version}.1", "not in the repositories")
    lines = layout(header, [row], 80)
    assert max(map(width_of, lines)) <= 80
    assert lines[0].split() == ["HOST", "CVE", "INSTALLED"]
    assert lines[1].split() == ["FIXED", "STATE"]
    assert [cell for cell in row if not any(cell in line for line in lines)] == []
    assert lines[3].startswith("    ")


def test_a_digest_is_cut_and_its_beginning_stays() -> None:
    header = ("RUN", "STATE", "HOSTS", "CREATED", "PLAN")
    row = ("r-20261128-110203-ab12", "done", "12", "2026-11-28 11:02 UTC", "0123456789abcdef" * 4)
    lines = layout(header, [row], 80)
    assert len(lines) == 2
    assert max(map(width_of, lines)) <= 80
    assert "0123456789a" in lines[1]


def test_without_a_terminal_nothing_is_cut() -> None:
    assert layout(HEADER, ROWS)[1].endswith(LONG.strip())


def test_a_narrow_table_is_the_same_on_a_terminal() -> None:
    rows = [("a", "b", "c")]
    assert (
        layout(HEADER, rows, 80) == layout(HEADER, rows) == ["HOST  RING  REASON", "a     b     c"]
    )


def test_names_stay_whole_though_they_are_too_wide() -> None:
    name = "x" * 100
    assert layout(("HOST", "RING"), [(name, "staging")], 80)[2:] == [name, "    staging"]
    assert name in layout(HEADER, [(name, "staging", LONG)], 80)


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
    names = [width_of(cell) for row in rows for cell in row[:2]]
    if all(size <= width - 4 for size in names):
        assert all(width_of(line) <= width for line in lines)
    if all(2 * size + 4 + 12 <= width for size in (len("HOST"), *names)):
        assert len(lines) == len(rows) + 1
    text = "\n".join(lines)
    for row in rows:
        assert row[0] in text
        assert row[1] in text
