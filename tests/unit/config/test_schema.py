"""The published JSON Schema is made from the models, and agrees with the loader."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from patchctl.config import schema
from patchctl.config.settings import load
from patchctl.config.settings import seconds as read_seconds
from patchctl.config.settings_help import MEANING
from patchctl.errors import InvalidInputError

ROOT = Path(__file__).parents[3]


def accepts(value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema.schema()).is_valid(value))


def test_the_published_schema_is_made_from_the_models() -> None:
    assert (ROOT / "schema/patchctl.schema.json").read_text() == schema.text(), (
        "python -m patchctl.config.schema > schema/patchctl.schema.json"
    )


def test_the_settings_page_is_made_from_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/settings-page"), "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (ROOT / "docs/settings.md").read_text() == done.stdout, "make reference"


# What must stand beside a key so that the file is whole.
BESIDE: dict[str, dict[str, Any]] = {
    "rings[]": {"name": "a"},
    "assign.rules[]": {"ring": "staging", "names": ["x"]},
    "assign.shares": {"seed": "a", "staging": 100},
    "policy.exclude[]": {
        "packages": ["a"],
        "reason": "why",
        "owner": "who",
        "until": "2026-12-31",
    },
    "probes[]": {"name": "a", "kind": "http", "target": "http://localhost/"},
    "hooks": {"undrain": "hooks/undrain.yml"},
    "hooks.drain": {"file": "hooks/drain.yml"},
    "hooks.undrain": {"file": "hooks/undrain.yml"},
    "feeds.sources[]": {"name": "epss"},
}


def whole(path: str, value: Any) -> Any:
    """Return a settings file that has `value` at `path` and only what it must have besides."""
    above, _, key = path.rpartition(".")
    if not above:
        return {key: value}
    here = {**BESIDE.get(above, {}), key: value}
    return whole(above.removesuffix("[]"), [here] if above.endswith("[]") else here)


def test_every_key_has_a_meaning_and_no_other() -> None:
    known: set[str] = set()

    def walk(value: dict[str, Any], path: str) -> None:
        inner = value.get("items", value)
        here = f"{path}[]" if inner is not value else path
        for name, below in inner.get("properties", {}).items():
            known.add(f"{here}.{name}".lstrip("."))
            walk(below, f"{here}.{name}".lstrip("."))
        if isinstance(inner.get("additionalProperties"), dict):
            known.add(f"{here}.*")

    walk(schema.schema(), "")
    assert known == set(MEANING)


@pytest.mark.parametrize("path", [path for path, (_, example) in MEANING.items() if example])
def test_an_example_is_what_the_loader_takes(tmp_path: Path, path: str) -> None:
    for name in ("drain", "undrain"):
        (tmp_path / "hooks").mkdir(exist_ok=True)
        (tmp_path / f"hooks/{name}.yml").write_text("- ansible.builtin.meta: noop\n")
    value = whole(path, MEANING[path][1])
    assert accepts(value)
    (tmp_path / "patchctl.yml").write_text(yaml.safe_dump(value))
    load(tmp_path / "patchctl.yml")


@pytest.mark.parametrize("seconds", [0, 1, 30, 60, 90, 3600, 5400, 86_400, 14 * 86_400])
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    assert read_seconds(schema.in_file(seconds)) == seconds


@pytest.mark.parametrize("name", ["patchctl.yml", "tests/data/settings/full.yml"])
def test_it_accepts_whole_files(name: str) -> None:
    assert accepts(yaml.safe_load((ROOT / name).read_text()))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("", True),
        ("rings: [{name: a, budget: 3, soak: 1h30m, max_concurrent: 100%}]", True),
        ("rings: [{name: a, budget: 101%}]", False),
        ("rings: [{name: a, budget: -1}]", False),
        ("rings: [{name: a, soak: 5}]", False),
        ("rings: [{name: a, soak: 0}]", True),
        ("rings: [{name: 5}]", False),
        ("rings: [{budget: 1}]", False),
        ("ringz: []", False),
        ("policy: {updaters: hold}", False),
        ("policy: {allow_removals: yes please}", False),
        ("ansible: {forks: 0}", False),
        ("ansible: {forks: 1000}", True),
        ("assign: {shares: {seed: a, staging: 5, canary: 15%, production: 80}}", True),
        ("assign: {shares: {seed: a, staging: x, canary: 20, production: 80}}", False),
        ("inventory: inventory/", False),
    ],
)
def test_it_agrees_with_the_loader(tmp_path: Path, text: str, good: bool) -> None:
    path = tmp_path / "patchctl.yml"
    path.write_text(text)
    assert accepts(yaml.safe_load(text)) is good
    if good:
        load(path)
    else:
        with pytest.raises(InvalidInputError):
            load(path)
