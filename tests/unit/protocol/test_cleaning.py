"""Clean text from hosts: no such text can control a terminal or mislead its reader."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from patchctl.cli import output
from patchctl.discovery import collect
from patchctl.protocol import cleaning

# As hosts would write who mean harm: any character, the evil ones often.
EVIL = "\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\xa0\xad\u034f\u061c\u180e\u200b\u200e\u2028\u2029"
EVIL += "\u202a\u202e\u2066\u2069\u3164\ufe0f\ufeff\ufffd\ud800\ue000\U000e0041\U000e0100\U0001f4a9"
TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from(EVIL), st.sampled_from(" a[]0;?m")), max_size=900
)
BOUNDED = {"cleaned": cleaning.cleaned, "sentence": cleaning.sentence}
ALL: dict[str, Callable[[str], str]] = {**BOUNDED, "on_screen": cleaning.on_screen}
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u3164\ufe00\ufe0f\uffa0\U000e0100")


def harm(text: str) -> list[str]:
    """Return characters that control a terminal, reverse text, end a line or are invisible."""
    return [
        ch
        for ch in text
        if unicodedata.category(ch) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        or ch in UNSEEN
        or (unicodedata.category(ch) == "Zs" and ch != " ")
        or unicodedata.bidirectional(ch) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI")
    ]


@pytest.mark.parametrize("clean", ALL.values(), ids=list(ALL))
@given(text=TEXT)
def test_nothing_that_harms_comes_through(clean: Callable[[str], str], text: str) -> None:
    assert harm(clean(text)) == []


@pytest.mark.parametrize("clean", ALL.values(), ids=list(ALL))
@given(text=TEXT)
def test_it_is_one_line(clean: Callable[[str], str], text: str) -> None:
    assert len(clean(text).splitlines()) <= 1


@pytest.mark.parametrize("clean", ALL.values(), ids=list(ALL))
@given(text=TEXT)
def test_what_is_clean_stays_as_it_is(clean: Callable[[str], str], text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("name", BOUNDED)
@given(text=TEXT, limit=st.integers(1, 600))
def test_it_is_never_longer_than_its_limit(name: str, text: str, limit: int) -> None:
    assert len(BOUNDED[name](text, limit)) <= limit


@pytest.mark.parametrize("clean", ALL.values(), ids=list(ALL))
@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300))
def test_printable_ascii_is_never_changed_but_for_blanks(
    clean: Callable[[str], str], text: str
) -> None:
    assume("://" not in text)  # an address may lose its password
    assert clean(text).split() == text.split()


@given(text=TEXT)
def test_a_screen_is_told_of_every_character(text: str) -> None:
    # Each character stands for itself or as an escape; nothing is hidden by being left out.
    assert len(cleaning.on_screen(text)) >= len(text)


@pytest.mark.parametrize(
    ("text", "cleaned", "sentence", "on_screen"),
    [
        ("plain", "plain", "plain", "plain"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m", "[31mred [0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07x", "?]0;title?x", "]0;title x", "\\x1b]0;title\\x07x"),
        ("\x9b2Jx", "?2Jx", "2Jx", "\\x9b2Jx"),
        ("a\u202egpj.exe", "a?gpj.exe", "a gpj.exe", "a\\u202egpj.exe"),
        ("one\nhost: ok", "one?host: ok", "one host: ok", "one\\x0ahost: ok"),
        ("/etc/two  blanks", "/etc/two  blanks", "/etc/two blanks", "/etc/two  blanks"),
        ("pay\u200bpal\u3164", "pay?pal?", "pay pal", "pay\\u200bpal\\u3164"),
        ("a\U000e0041b", "a?b", "a b", "a\\U000e0041b"),
        ("tab\there", "tab?here", "tab here", "tab\\x09here"),
        ("nbsp\u00a0here", "nbsp?here", "nbsp here", "nbsp\\xa0here"),
        ("│ fake │ table", "? fake ? table", "? fake ? table", "│ fake │ table"),
        ("Grüße “Ελλάδα” 日本語…", *["Grüße “Ελλάδα” 日本語…"] * 3),
    ],
)
def test_each_dangerous_character_is_shown_safely(
    text: str, cleaned: str, sentence: str, on_screen: str
) -> None:
    assert cleaning.cleaned(text) == cleaned
    assert cleaning.sentence(text) == sentence
    assert cleaning.on_screen(text) == on_screen


@pytest.mark.parametrize("clean", BOUNDED.values(), ids=list(BOUNDED))
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("get http://joe:s3cr3t@host/x failed", "get http://***@host/x failed"),
        ("https://t0ken@host:8443", "https://***@host:8443"),
        ("ftp://joe:a@b@host/ and http://x:y@z", "ftp://***@host/ and http://***@z"),
        ("proxy 'http://joe:s3cr3t@proxy:3128/'", "proxy 'http://***@proxy:3128/'"),
        ("http://host/~joe@home mail@host", "http://host/~joe@home mail@host"),
        ("http://host/?a=b@c", "http://host/?a=b@c"),
        ("joe@host:/path", "joe@host:/path"),
    ],
)
def test_who_logs_in_with_an_address_is_not_told(
    clean: Callable[[str], str], text: str, shown: str
) -> None:
    assert clean(text) == shown


def test_a_password_is_not_told_by_being_cut() -> None:
    for limit in range(1, 40):
        assert "s3" not in cleaning.cleaned("http://joe:s3cr3t@host", limit)
        assert "s3" not in cleaning.sentence("http://joe:s3cr3t@host", limit)


def test_what_is_cut_off_a_reason_is_told() -> None:
    assert cleaning.sentence("x" * 301) == "x" * 299 + "…"
    assert cleaning.sentence("x" * 300) == "x" * 300
    assert cleaning.cleaned("x" * 501) == "x" * 500


@given(text=TEXT)
def test_the_terminal_is_behind_the_same_boundary(text: str) -> None:
    assert output.clean(text) == cleaning.on_screen(text)


@given(text=TEXT.map(lambda text: "x" + text.replace("\n", "").replace("\t", "") + "x"))
def test_facts_are_kept_as_they_were_said(text: str) -> None:
    # They are evidence; whoever shows them cleans them. Passwords alone are nobody's evidence.
    answer = f"[identity]\n manager\tapt\n hostname\t{text}\n=0\n"
    assert collect.parse(answer, 1_750_000_000).hostname == cleaning.without_logins(text)[:500]
