"""What `patchctl init` writes: the defaults, every key, and nothing overwritten."""

import re
from pathlib import Path

import msgspec
import pytest

from patchctl.adapters import files
from patchctl.config import schema
from patchctl.config.settings import File, load
from patchctl.errors import InvalidInputError
from patchctl.workflows.init import FILES, init


def keys(shape: type) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(shape)}


def test_it_loads_and_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "patchctl.yml").touch()
    default = load(tmp_path / "patchctl.yml")
    written = init(tmp_path / "new" / "fleet", schema.text(), files)
    assert written[-1].name == "patchctl.yml"
    assert load(written[-1]) == default
    first = written[-1].read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (written[-1].parent / named).read_text() == schema.text()


def test_every_default_that_it_shows_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "patchctl.yml").touch()
    default = load(tmp_path / "patchctl.yml")
    lines, example = [], False
    for line in FILES["patchctl.yml"].splitlines():
        # An example begins with `# key:`, and what is below it has more blanks.
        example = line.startswith("# ") and (example or not line.startswith("#  "))
        if re.match(r"#(\w|  )", line) and not example:
            lines.append(line[1:])
    path = tmp_path / "patchctl.yml"
    path.write_text("\n".join(lines))
    assert load(path) == default


def test_every_key_is_shown() -> None:
    text = FILES["patchctl.yml"]
    for field in msgspec.structs.fields(File):
        assert re.search(rf"^# ?{field.encode_name}:", text, re.M), field.encode_name
    for section in ("policy", "ansible"):
        (found,) = (f.type for f in msgspec.structs.fields(File) if f.name == section)
        for key in keys(found):
            assert f"\n#  {key}: " in text, key


@pytest.mark.parametrize("name", [*FILES, "patchctl.schema.json"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidInputError, match="nothing was written, already there"):
        init(tmp_path, "{}", files)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
