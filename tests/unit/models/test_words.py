"""Counts, lists, times, durations, sizes and states have the same words in the whole project."""

import ast
import doctest
import re
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import pytest

from patchctl.models import words
from patchctl.models.assessment import FindingState
from patchctl.models.rollout import HostState, RunState, Stage
from patchctl.models.verification import VerifiedState
from patchctl.report import state_words
from patchctl.report.state_words import decision_word, run_word, state_word

PACKAGE = Path(__file__).parents[3] / "src" / "patchctl"


class TestCounts:
    @pytest.mark.parametrize(
        ("number", "noun", "said"),
        [
            (0, "host", "0 hosts"),
            (1, "host", "1 host"),
            (2, "host", "2 hosts"),
            (2, "open finding", "2 open findings"),
            (2, "repository", "2 repositories"),
            (1, "repository", "1 repository"),
            (2, "day", "2 days"),
            (2, "process", "2 processes"),
            (3, "CVE", "3 CVEs"),
        ],
    )
    def test_a_number_has_its_noun(self, number: int, noun: str, said: str) -> None:
        assert words.count(number, noun) == said


class TestLists:
    def test_a_short_list_is_whole(self) -> None:
        assert words.some([]) == ""
        assert words.some(["a", "b", "c"]) == "a, b, c"

    def test_a_long_one_names_the_first_and_counts_the_others(self) -> None:
        assert words.some(["a", "b", "c", "d"]) == "a, b, c and 1 more"
        assert words.some(["a", "b", "c"], 1) == "a and 2 more"

    def test_it_is_whole_where_all_is_wanted(self) -> None:
        assert words.some(["a", "b", "c"], 1, full=True) == "a, b, c"

    def test_what_is_cut_below_a_list_is_counted_with_its_noun(self) -> None:
        assert words.more(1, "host") == "and 1 more host"
        assert words.more(2, "repository") == "and 2 more repositories"
        assert words.more(2) == "and 2 more"


class TestTimes:
    MOMENT = 1_795_435_805

    def test_a_time_is_said_in_utc_to_the_minute_or_to_the_second(self) -> None:
        assert words.moment(self.MOMENT) == "2026-11-23 12:10 UTC"
        assert words.second(self.MOMENT) == "2026-11-23 12:10:05 UTC"
        assert words.clock(self.MOMENT + 0.9) == "12:10:05"
        assert words.day(self.MOMENT) == "2026-11-23"

    def test_one_that_is_not_known_is_not_1970(self) -> None:
        assert words.moment(0) == "unknown"
        assert words.timestamp(0) == ""

    def test_programs_get_iso_8601(self) -> None:
        assert words.timestamp(self.MOMENT) == "2026-11-23T12:10:05Z"
        assert words.rfc3339(self.MOMENT * 1000 + 999) == "2026-11-23T12:10:05Z"
        assert words.rfc3339(0) is None
        assert words.seconds_of("2026-11-23T12:10:05Z") == self.MOMENT

    def test_the_end_of_a_wait_is_said_with_what_is_left_of_it(self) -> None:
        said = words.until(self.MOMENT, self.MOMENT - 86_340)
        assert said == "until 2026-11-23 12:10 UTC (23h59m left)"

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0, "0s"), (-5, "0s"), (59, "59s"), (60, "1m00s"), (61, "1m01s"), (3600, "1h00m"),
         (86_399, "23h59m"), (86_400, "1d00h"), (200_000, "2d07h")],
    )  # fmt: skip
    def test_a_span_has_two_units(self, seconds: int, said: str) -> None:
        assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (90, "90s"), (120, "2m"), (5400, "90m"), (7200, "2h"), (86_400, "1d")],
)
def test_a_duration_is_said_as_the_settings_have_it(seconds: int, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("length", "said"), [(0, "0 KiB"), (1, "1 KiB"), (1025, "2 KiB"), (1024 * 1024, "1.0 MiB")]
)
def test_a_size_is_said_in_kib_or_mib(length: int, said: str) -> None:
    assert words.size(length) == said


def test_a_digest_is_known_by_its_first_twelve_digits() -> None:
    assert (
        words.short("sha256:0123456789abcdef") == words.short("0123456789abcdef") == "0123456789ab"
    )


class TestStates:
    def test_an_undo_is_called_as_the_command_calls_it(self) -> None:
        assert state_word(HostState.ROLLING_BACK) == "undoing"
        assert state_word(RunState.ROLLED_BACK) == "undone"
        assert run_word("rollback_failed") == "undo failed"

    def test_kinds_that_share_a_value_have_words_of_their_own(self) -> None:
        assert state_word(FindingState.NOT_EFFECTIVE) == "installed, not effective"
        assert state_word(VerifiedState.NOT_EFFECTIVE) == "not effective"

    @pytest.mark.parametrize("kind", [FindingState, HostState, RunState, Stage, VerifiedState])
    def test_no_word_has_an_underscore(self, kind: type[StrEnum]) -> None:
        assert all(state_word(state) and "_" not in state_word(state) for state in kind)

    def test_a_decision_is_a_word_too(self) -> None:
        assert decision_word("act") == "act now"
        assert decision_word("out_of_cycle") == "out of cycle"
        assert decision_word("scheduled") == "scheduled"


@pytest.mark.parametrize("module", [words, state_words])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted > 2
    assert done.failed == 0


class TestNobodyElseSaysThem:
    """No other module makes these words itself."""

    def modules(self) -> list[Path]:
        paths = sorted(PACKAGE.rglob("*.py"))
        assert PACKAGE / "models" / "words.py" in paths
        return paths

    def elsewhere(self, pattern: str) -> list[str]:
        expression = re.compile(pattern)
        return [
            f"{path.relative_to(PACKAGE)}: {ast.unparse(node)}"
            for path in self.modules()
            if path != PACKAGE / "models" / "words.py"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.JoinedStr, ast.IfExp)) and expression.search(ast.unparse(node))
        ]

    def test_how_many_more_there_are(self) -> None:
        assert self.elsewhere(r"\band \{.*\} more\b|, …(?! without)") == []

    def test_plurals(self) -> None:
        by_hand = r"\}s['\"] if |'s' if |'' if .* else 's'|'(\w+)' if .* else '\1s'"
        assert self.elsewhere(by_hand) == []

    def test_times(self) -> None:
        assert self.elsewhere(r":%Y-%m-%d|:%H:%M") == []
