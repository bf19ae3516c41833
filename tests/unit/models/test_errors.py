"""Problems are records, and the text of an error is made from them once."""

import pytest

from patchctl.errors import InvalidInputError, NotFoundError, PatchctlError, Problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(message="is empty"), "is empty"),
        (Problem(message="is empty", path="a.yml"), "a.yml: is empty"),
        (Problem(message="is empty", path="a.yml", line=3), "a.yml:3: is empty"),
        (
            Problem(
                message="is not a valid date", path="a.yml", line=3, key="x[0].day", hint="write 7d"
            ),
            "a.yml:3: x[0].day: is not a valid date; write 7d",
        ),
        (Problem(message="is not a valid date", key="x", code="day"), "x: is not a valid date"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_part_of_something_larger_says_so_first() -> None:
    problem = Problem(message="is empty", path="a.yml", line=3, code="empty")
    assert str(problem.inside("v2")) == "v2: a.yml:3: is empty"
    assert str(Problem(message="is empty").inside("v2")) == "v2: is empty"
    assert problem.inside("v2").code == "empty"


def test_an_error_of_one_sentence_is_one_problem() -> None:
    error = InvalidInputError("is empty", where="a.yml", line=3, hint="fill it")
    assert str(error) == "a.yml:3: is empty; fill it"
    assert (error.message, error.reason) == ("a.yml:3: is empty", "is empty; fill it")
    assert error.problems == (Problem(message="is empty", path="a.yml", line=3),)
    assert NotFoundError("no run x").problems == (Problem(message="no run x"),)


def test_an_error_of_several_problems_tells_each_and_one_hint_for_all() -> None:
    first = Problem(message="is empty", path="a.yml", line=1, hint="fill it")
    error = InvalidInputError(problems=[first, Problem(message="is gone")], hint="or leave it")
    assert error.lines() == ["a.yml:1: is empty; fill it", "is gone; or leave it"]
    assert error.problems[0] is first


def test_an_error_without_words_has_its_name() -> None:
    assert PatchctlError("").lines() == ["PatchctlError"]
