"""Each kind of word has one grammar, which all readers use."""

import re
from pathlib import Path

import pytest

import patchctl
from patchctl.models import grammar


@pytest.mark.parametrize("text", ["CVE-2024-6387", "CVE-1999-0001", "CVE-2026-1234567890"])
def test_is_a_cve(text: str) -> None:
    assert grammar.fits("CVE", text)


@pytest.mark.parametrize(
    "text", ["", "CVE-2024-638", "cve-2024-6387", "CVE-2024-6387\n", f"CVE-2024-{'1' * 20}"]
)
def test_is_no_cve(text: str) -> None:
    assert not grammar.fits("CVE", text)


@pytest.mark.parametrize(
    ("file", "built"),
    [
        ("bash-5.1.8-9.el9.src.rpm", ("bash", "5.1.8-9.el9")),
        ("java-17-openjdk-17.0.9-1.nosrc.rpm", ("java-17-openjdk", "17.0.9-1")),
        ("bash-5.1.8-9.el9.x86_64.rpm", None),
        ("bash-5.1.8-9.el9.src", None),
        ("(none)", None),
    ],
)
def test_a_source_package_is_known_by_its_file(file: str, built: tuple[str, str] | None) -> None:
    assert grammar.source_of_rpm(file) == built


def test_nobody_writes_the_pattern_of_a_whole_word_again() -> None:
    """A second pattern would accept something else one day."""
    patterns = {kind.pattern for kind in grammar.PATTERNS.values()} - {"[0-9a-f]{64}"}
    again = [
        f"{path.name}: {written}"
        for path in sorted(Path(patchctl.__file__).parent.rglob("*.py"))
        if path.name != "grammar.py"
        for written in re.findall(r"""re\.compile\(r"(.*)"\)""", path.read_text())
        if written in patterns
    ]
    assert again == []
