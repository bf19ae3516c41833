"""A view is made once, and each registered format renders it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from patchctl.report.formats import RENDERERS, Format
from patchctl.report.view import (
    Aside,
    Figures,
    Lines,
    Note,
    Part,
    Problem,
    StreamedView,
    Table,
    Title,
    View,
)

ESCAPE = "\x1b[31m"


@dataclass
class Paper:
    """A screen that stores what is written to it; `width` is that of a terminal."""

    width: int | None = None
    quiet: bool = False
    written: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def clean(self, text: str) -> str:
        return text.replace("\x1b", "\\x1b")

    def write(self, text: str) -> None:
        self.written.append(text)

    def encoded(self, part: bytes) -> None:
        self.written.append(part.decode("utf-8"))

    def note(self, text: str) -> None:
        self.beside.append(text)

    def problem(self, text: str) -> None:
        self.beside.append(f"problem: {text}")

    @property
    def text(self) -> str:
        return "".join(self.written)


class Fleet(View):
    def data(self) -> dict[str, Any]:
        return {"hosts": [{"name": "wëb1", "reason": ESCAPE}], "empty": None}

    def parts(self) -> Iterator[Part]:
        yield Title("a fleet")
        yield Lines([])
        yield Table(("HOST", "REASON"), [("wëb1", ESCAPE)])
        yield Note("that was all")
        yield Figures([("hosts", "1"), ("", "goes on")])
        yield Problem("one is missing")
        yield Note("the answer", kept=True)


def rendered(form: Format, view: View | None = None, **screen: Any) -> Paper:
    paper = Paper(**screen)
    RENDERERS[form].render(view or Fleet(), paper)
    return paper


def test_every_format_that_can_be_asked_for_has_a_renderer() -> None:
    assert set(RENDERERS) == set(Format)


class TestText:
    def test_parts_stand_apart_and_empty_ones_leave_no_gap(self) -> None:
        assert rendered(Format.TABLE).text.splitlines() == [
            "a fleet",
            "",
            "HOST  REASON",
            "wëb1  \\x1b[31m",
            "",
            "WHAT   VALUE",
            "hosts  1",
            "       goes on",
        ]

    def test_what_stands_beside_the_result_is_not_in_it(self) -> None:
        said = ["that was all", "problem: one is missing", "the answer"]
        assert rendered(Format.TABLE).beside == said

    def test_quiet_drops_notes_but_neither_answers_nor_problems(self) -> None:
        said = ["problem: one is missing", "the answer"]
        assert rendered(Format.TABLE, quiet=True).beside == said

    def test_free_text_gives_way_on_a_narrow_terminal(self) -> None:
        class Long(Fleet):
            def parts(self) -> Iterator[Part]:
                yield Table(("HOST", "REASON"), [("web1", "x" * 100)])

        lines = rendered(Format.TABLE, Long(), width=40).text.splitlines()
        assert lines[1].endswith("…")
        assert max(map(len, lines)) == 40
        assert "x" * 100 in rendered(Format.TABLE, Long()).text


class TestJsonAndYaml:
    def test_json_is_one_line_of_the_data_as_it_is(self) -> None:
        paper = rendered(Format.JSON)
        assert paper.text.count("\n") == 1
        assert json.loads(paper.text) == Fleet().data()
        assert paper.beside == []

    def test_yaml_says_the_same(self) -> None:
        paper = rendered(Format.YAML)
        assert yaml.safe_load(paper.text) == Fleet().data()
        assert paper.beside == []

    def test_what_is_told_to_people_in_between_is_no_result(self) -> None:
        class Question(Aside):
            def parts(self) -> Iterator[Part]:
                yield Note("6 hosts", kept=True)

        assert rendered(Format.TABLE, Question()).beside == ["6 hosts"]
        for form in (Format.JSON, Format.YAML):
            paper = rendered(form, Question())
            assert (paper.text, paper.beside) == ("", [])

    def test_what_is_too_large_to_be_held_is_written_as_it_is_made(self) -> None:
        class Large(StreamedView):
            def data(self) -> list[int]:
                return [1, 2]

            def chunks(self) -> Iterator[bytes]:
                yield from (b"[1", b",2]")

            def parts(self) -> Iterator[Part]:
                return iter(())

        assert rendered(Format.JSON, Large()).written == ["[1", ",2]", "\n"]
        assert yaml.safe_load(rendered(Format.YAML, Large()).text) == [1, 2]


@pytest.mark.parametrize(("form", "live"), [("table", True), ("json", False), ("yaml", False)])
def test_a_run_is_watched_live_by_people_alone(form: str, live: bool) -> None:
    assert RENDERERS[Format(form)].live is live
