"""The inventory cache is used while nothing that it depends on has changed."""

import os
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters.ansible.inventory_cache import Inputs, InventoryCache, inputs_of

READING: dict[str, Any] = {"hosts": {"web1": {"a": 1}}, "groups": {}, "warnings": []}
SOURCES = ("inventory",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("inventory/group_vars", "inventory/host_vars"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "inventory/hosts.yml").write_text("all: {hosts: {web1: }}\n")
    (tmp_path / "inventory/group_vars/all.yml").write_text("a: 1\n")
    return tmp_path


@pytest.fixture
def cache(tmp_path: Path) -> InventoryCache:
    return InventoryCache(tmp_path / "state" / "cache")


def inputs(root: Path, *sources: str) -> Inputs:
    inputs = inputs_of(sources or SOURCES, root, os.environ)
    assert inputs is not None
    return inputs


def is_kept(cache: InventoryCache, root: Path, reading: dict[str, Any] = READING) -> bool:
    cache.put(inputs(root), reading)
    return cache.get(inputs(root)) == reading


def test_a_stored_reading_is_found_again_and_private(cache: InventoryCache, root: Path) -> None:
    assert cache.get(inputs(root)) is None
    assert is_kept(cache, root)
    (path,) = cache.folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert cache.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name",
    ["inventory/hosts.yml", "inventory/group_vars/all.yml", "inventory/host_vars/web1.yml",
     "inventory/new.ini", "inventory/.hidden"],
)  # fmt: skip
def test_any_edit_counts(name: str, cache: InventoryCache, root: Path) -> None:
    assert is_kept(cache, root)
    with (root / name).open("a") as file:
        file.write("b: 2\n")
    assert cache.get(inputs(root)) is None


def test_variables_beside_a_file_count(cache: InventoryCache, root: Path) -> None:
    before = inputs(root, "inventory/hosts.yml")
    (root / "inventory/group_vars/all.yml").write_text("a: 2\n")
    assert inputs(root, "inventory/hosts.yml") != before


def test_a_removed_file_counts(cache: InventoryCache, root: Path) -> None:
    assert is_kept(cache, root)
    (root / "inventory/group_vars/all.yml").unlink()
    assert cache.get(inputs(root)) is None


def test_a_file_that_became_a_program_counts(cache: InventoryCache, root: Path) -> None:
    assert is_kept(cache, root)
    (root / "inventory/hosts.yml").chmod(0o755)
    assert cache.get(inputs(root)) is None


def test_what_ansible_is_told_by_the_environment_counts(
    cache: InventoryCache, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_kept(cache, root)
    monkeypatch.setenv("ANSIBLE_INVENTORY_PLUGINS", "/elsewhere")
    assert cache.get(inputs(root)) is None


def test_other_sources_are_kept_beside(cache: InventoryCache, root: Path) -> None:
    assert is_kept(cache, root)
    other = inputs(root, "a,b,")
    assert cache.get(other) is None
    cache.put(other, {**READING, "warnings": ["w"]})
    assert cache.get(other) != cache.get(inputs(root)) == READING


def test_only_a_few_are_kept(cache: InventoryCache, root: Path) -> None:
    for number in range(12):
        cache.put(inputs(root, f"h{number},"), READING)
    assert len(list(cache.folder.iterdir())) == 8


@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        ("dyn", "#!/bin/sh\n", 0o755),
        ("dyn.py", "#!/usr/bin/python3\n", 0o644),
        ("aws.yml", "plugin: amazon.aws.aws_ec2\n", 0o644),
    ],
)
def test_what_runs_something_is_asked_each_time(
    name: str, text: str, mode: int, cache: InventoryCache, root: Path
) -> None:
    (root / "inventory" / name).write_text(text)
    (root / "inventory" / name).chmod(mode)
    assert not is_kept(cache, root)


def test_a_file_vaulted_whole_is_never_kept_in_clear(root: Path) -> None:
    (root / "inventory/group_vars/all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    assert inputs_of(SOURCES, root, os.environ) is None


@pytest.mark.parametrize("name", ["ansible_password", "quiet_word"])
def test_what_is_kept_opens_only_with_the_sources_that_say_it(
    name: str, cache: InventoryCache, root: Path
) -> None:
    reading = {**READING, "hosts": {"web1": {name: "hunter2"}}}
    assert is_kept(cache, root, reading)
    (path,) = cache.folder.iterdir()
    data = path.read_bytes()
    for part in (
        b"hunter2",
        name.encode(),
        b"web1",
        inputs(root).key,
        inputs(root).key.hex().encode(),
    ):
        assert part not in data
    with (root / "inventory/hosts.yml").open("a") as file:
        file.write("# another file, under which the old reading lies\n")
    assert path == next(cache.folder.iterdir())
    assert cache.get(inputs(root)) is None
    assert "key" not in repr(inputs(root))


def test_readings_that_an_older_patchctl_kept_in_clear_are_removed(
    cache: InventoryCache, root: Path
) -> None:
    cache.folder.mkdir(parents=True)
    (cache.folder / "inventory-0123456789abcdef.json").write_text('{"reading": "hunter2"}')
    assert is_kept(cache, root)
    assert [path.suffix for path in cache.folder.iterdir()] == [".reading"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', "null"])
def test_a_damaged_file_is_no_reading(text: str, cache: InventoryCache, root: Path) -> None:
    assert is_kept(cache, root)
    (path,) = cache.folder.iterdir()
    path.write_text(text)
    assert cache.get(inputs(root)) is None


def test_one_changed_bit_is_seen(cache: InventoryCache, root: Path) -> None:
    cache.put(inputs(root), READING)
    (path,) = cache.folder.iterdir()
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert cache.get(inputs(root)) is None
    path.write_bytes(whole)
    assert cache.get(inputs(root)) == READING


def test_links_in_a_circle_end(root: Path) -> None:
    (root / "inventory/group_vars/loop").symlink_to(root / "inventory")
    assert inputs_of(SOURCES, root, os.environ) == inputs_of(SOURCES, root, os.environ) is not None


def test_a_source_that_is_not_there_is_left_to_ansible(root: Path) -> None:
    assert inputs_of(("missing.yml",), root, os.environ) is None
