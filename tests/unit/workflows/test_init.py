"""What `patchctl init` writes: the defaults, every key, and nothing overwritten."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from patchctl.adapters import files
from patchctl.config import schema
from patchctl.config.settings import File, load
from patchctl.errors import InvalidInputError
from patchctl.workflows.init import FILES, SCHEMA, init


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
        # An example begins with `# key:`, and the lines below it are indented more.
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
        (section_type,) = (f.type for f in msgspec.structs.fields(File) if f.name == section)
        for key in keys(section_type):
            assert f"\n#  {key}: " in text, key


@pytest.mark.parametrize("name", ["patchctl.yml", SCHEMA])
def test_a_workspace_is_not_begun_twice(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidInputError, match="nothing was written, already there"):
        init(tmp_path, "{}", files)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


class TestLivingRepository:
    """The existing inventory of an Ansible user is not changed."""

    def begun(self, root: Path, *there: str, named: Sequence[str] = ()) -> list[str]:
        for name in there:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("mine\n")
        written = init(root, "{}", files, named)
        assert all((root / name).read_text().startswith("mine\n") for name in there)
        return [str(path.relative_to(root)) for path in written]

    def test_the_inventory_stays_as_it_is(self, tmp_path: Path) -> None:
        written = self.begun(tmp_path, "inventory/site.ini", "inventory/group_vars/all.yml")
        assert sorted(written) == [".gitignore", "hooks/README", SCHEMA, "patchctl.yml"]
        assert load(tmp_path / "patchctl.yml").inventory == ("inventory/",)

    @pytest.mark.parametrize(
        ("there", "named", "sources"),
        [
            (["site.yml", "hosts"], (), ("hosts",)),
            (["inventory.ini"], (), ("inventory.ini",)),
            (["inventory"], (), ("inventory",)),
            (["hosts", "ansible.cfg"], ("a b.yml", "cloud/"), ("a b.yml", "cloud/")),
            (
                ["inventories/prod/hosts", "inventories/test/hosts"],
                (),
                ("inventories/prod", "inventories/test"),
            ),
            (["site.yml"], (), ("inventory/",)),
        ],
    )
    def test_the_settings_name_what_is_there(
        self, tmp_path: Path, there: list[str], named: tuple[str, ...], sources: tuple[str, ...]
    ) -> None:
        self.begun(tmp_path, *there, named=named)
        assert load(tmp_path / "patchctl.yml").inventory == sources
        assert not (tmp_path / "inventory" / "hosts.yml").exists()

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        written = self.begun(tmp_path, "inventory/hosts.yml", "hooks/README", ".gitignore")
        assert sorted(written) == [".gitignore", SCHEMA, "patchctl.yml"]
        assert (tmp_path / ".gitignore").read_text() == "mine\n.patchctl/\n"

    @pytest.mark.parametrize("ignored", [".patchctl/\n", "/.patchctl\n", "*.pyc\n.patchctl/"])
    def test_what_git_ignores_already_is_left_alone(self, tmp_path: Path, ignored: str) -> None:
        (tmp_path / ".gitignore").write_text(ignored)
        assert ".gitignore" not in self.begun(tmp_path)
        assert (tmp_path / ".gitignore").read_text() == ignored

    def test_a_new_clone_is_none(self, tmp_path: Path) -> None:
        written = self.begun(tmp_path, ".git/config", "README.md", "LICENSE")
        assert "inventory/hosts.yml" in written
