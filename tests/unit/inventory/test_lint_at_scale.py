"""Lint reads each distinct template, range and line once, and finds what it would find without that
haste."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.inventory import source_map
from patchctl.inventory.lint import Context, lint, templates
from patchctl.inventory.load import survey
from patchctl.models.settings import Assignment
from patchctl.models.unsafe import Unsafe

RINGS = ("staging", "production")
HOSTS = 300


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    templates._parsed.cache_clear()
    yield
    templates._parsed.cache_clear()


pieces = st.sampled_from(
    [
        *("{{", "}}", "{{ ", " }}", "{%", "%}", "{#", "#}", "{", "}", "\n", "\t", " ", "-", "'"),
        *("a", "b_1", "True", "true", "none", "not", "in", "is", "self", "loop", "é", "1", "%h:%p"),
        *("if", "block", "_", "__x", "|default", "lookup", "super", "caller", "varargs", "False"),
        *("None", "continue", "omit", "inventory_hostname", ".", "=", ",", "A", "with", "\\", "\r"),
    ]
)


@given(st.lists(pieces, max_size=9).map("".join))
def test_the_names_of_a_template_are_those_that_jinja_finds(text: str) -> None:
    assert templates._parsed(text) == templates._by_jinja(text)


@given(st.from_regex(r"[^{}]{0,4}\{\{ ?\w{1,6} ?\}\}[^{}]{0,4}", fullmatch=True))
def test_a_template_of_one_name_has_the_names_that_jinja_finds(text: str) -> None:
    assert templates._parsed(text) == templates._by_jinja(text)


WORDS_OF_JINJA = (
    "and as autoescape block break call caller continue debug do elif else endfor extends filter "
    "for from if ignore import in include is loop macro missing none None not or pluralize print "
    "recursive required scoped self set super trans true True false False varargs kwargs undefined "
    "with without context"
)


@pytest.mark.parametrize("word", WORDS_OF_JINJA.split())
def test_a_word_of_jinja_as_a_name(word: str) -> None:
    for text in (f"{{{{ {word} }}}}", f"x{{{{{word}}}}}y {{{{ z }}}}"):
        assert templates._parsed(text) == templates._by_jinja(text)


def test_marked_text_has_the_names_of_the_same_text_without_a_mark() -> None:
    assert templates.needed_names(Unsafe("{{ a }}")) == templates.needed_names("{{ a }}")


def context(variables: dict[str, Any]) -> Context:
    class Raw:
        hosts = {
            f"host{number}": {
                "patch_ring": RINGS[number % 2],
                "ansible_host": f"host{number}.{{{{ domain }}}}",
                **variables,
            }
            for number in range(HOSTS)
        }
        groups: dict[str, Any] = {}

    fleet, refusals = survey(Raw(), sources=("i",), rings=RINGS, assignment=Assignment())
    return Context(fleet=fleet, refusals=refusals)


def test_jinja_parses_a_template_once_for_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def by_jinja(text: str) -> templates._Parsed:
        parsed.append(text)
        return really(text)

    really = templates._by_jinja
    monkeypatch.setattr(templates, "_by_jinja", by_jinja)
    shared = {
        "domain": "example.com",
        "ansible_user": "{{ user | default('ops') }}",
        "ansible_port": "{{ broken",
        "ansible_ssh_common_args": "{{ jump | upper }}",
    }
    rules = [(finding.rule, len(finding.hosts)) for finding in lint(context(shared))]
    assert rules == [("broken-template", HOSTS), ("undefined-variable", HOSTS)]
    assert sorted(parsed) == sorted(value for value in shared.values() if "{{" in value)


words = st.text("ab1.:=/,@+-[]_é#'\"\\ \t", max_size=14).map(str.strip).filter(bool)


@given(words)
def test_a_line_has_the_words_that_a_shell_would_find(line: str) -> None:
    try:
        expected = shlex.split(line, comments=True)
    except ValueError:
        expected = line.split()
    assert source_map._words(line) == expected


@given(
    st.from_regex(r"[a-c.]{0,2}\[[0-9]{1,2}:[0-9]{1,2}\][a-c.]{0,2}", fullmatch=True),
    st.text("abc.0123456789", max_size=6),
)
def test_a_range_is_read_once_and_answers_the_same(pattern: str, name: str) -> None:
    source_map._range.cache_clear()
    first = source_map.in_range(pattern, name)
    assert source_map.in_range(pattern, name) is first
    before, low, high, after = re.split(r"\[(\d+):(\d+)\]", pattern)
    number = name.removeprefix(before).removesuffix(after) if name.startswith(before) else ""
    fits = name == before + number + after and number.isdigit()
    assert first is (fits and int(low) <= int(number) <= int(high))
