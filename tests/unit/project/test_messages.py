"""Messages that docs/troubleshooting.md quotes are in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
# What a script fills in: ${name%% *}, $name, $(command).
SHELL_VALUE = r"\$(?:\{[^}]*\}|\w+|\((?:[^()]|\([^()]*\))*\))"


@cache
def texts() -> tuple[str, ...]:
    """Return each text of the program, with `…` for values, and each line of its scripts."""
    messages = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                messages.append("".join(map(part, node.values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                messages.append(re.sub(r"\{\w*\}", "…", node.value))
    for path in sorted((ROOT / "roles").rglob("*.sh")):
        lines = path.read_text(encoding="utf-8").splitlines()
        messages += [
            re.sub(SHELL_VALUE, "…", line) for line in lines if not line.lstrip().startswith("#")
        ]
    return tuple(messages)


def part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def said(message: str) -> bool:
    """Return whether one text has the quoted parts, in their order."""
    quoted = [re.escape(words) for words in message.split("…")]
    return any(re.search(".*".join(quoted), text) for text in texts())


def test_enough_is_quoted() -> None:
    assert len(MESSAGES) > 70
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_program_says_so(message: str) -> None:
    assert max(map(len, message.split("…"))) > 3, "too little to be found by"
    assert said(message)


def test_what_nobody_says_would_be_found() -> None:
    assert not said("the frobnicator … is on fire")
    assert said("… is not a CVE")
