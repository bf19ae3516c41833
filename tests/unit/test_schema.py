"""The published JSON Schema is that of the models, and agrees with the loader."""

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from patchctl import schema
from patchctl.errors import InvalidInputError
from patchctl.settings import load

ROOT = Path(__file__).parents[2]


def accepts(value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema.schema()).is_valid(value))


def test_the_published_schema_is_made_from_the_models() -> None:
    assert (ROOT / "schema/patchctl.schema.json").read_text() == schema.text(), (
        "python -m patchctl.schema > schema/patchctl.schema.json"
    )


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
