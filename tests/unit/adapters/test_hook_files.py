"""The files of a workspace's hooks: every file of their folder, and nothing outside."""

import hashlib
import os
from pathlib import Path

import pytest

from patchctl.adapters import hook_files
from patchctl.adapters.hook_files import read
from patchctl.errors import InvalidInputError
from patchctl.models.plan import HookFile, HookMode
from patchctl.plan import hooks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a hook that includes another file and runs a third."""
    root = tmp_path / "workspace"
    (root / "hooks" / "lb").mkdir(parents=True)
    (root / "patchctl.yml").touch()
    (root / "hooks/drain.yml").write_text("- include_tasks: lb/all.yml\n")
    (root / "hooks/lb/all.yml").write_text("- command: x\n")
    (root / "hooks/lb/out.sh").write_text("#!/bin/sh\n")
    (root / "hooks/lb/out.sh").chmod(0o755)
    return root


def paths(root: Path, *names: str) -> list[str]:
    return [file.path for file in read(root, names or ("hooks/drain.yml",)).files]


def refused(root: Path, *names: str) -> str:
    with pytest.raises(InvalidInputError) as error:
        read(root, names or ("hooks/drain.yml",))
    (line,) = error.value.lines()
    return line


def test_every_file_below_the_folder_counts_with_its_mode_and_content(root: Path) -> None:
    result = read(root, ["hooks/drain.yml"])
    assert result.files == (
        HookFile(
            path="hooks/drain.yml",
            mode=HookMode.FILE,
            sha256=hashlib.sha256(b"- include_tasks: lb/all.yml\n").hexdigest(),
        ),
        HookFile(
            path="hooks/lb/all.yml",
            mode=HookMode.FILE,
            sha256=hashlib.sha256(b"- command: x\n").hexdigest(),
        ),
        HookFile(
            path="hooks/lb/out.sh",
            mode=HookMode.EXECUTABLE,
            sha256=hashlib.sha256(b"#!/bin/sh\n").hexdigest(),
        ),
    )
    assert result.content["hooks/lb/out.sh"] == b"#!/bin/sh\n"


def test_no_hook_is_no_file(root: Path) -> None:
    assert read(root, []).files == ()


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_a_checkout_is_the_same_under_every_umask(root: Path, mask: int) -> None:
    before = read(root, ["hooks/drain.yml"]).files
    for path in (root / "hooks").rglob("*"):
        path.chmod((0o777 if path.is_dir() or path.suffix == ".sh" else 0o666) & ~mask)
    assert read(root, ["hooks/drain.yml"]).files == before


def test_two_hooks_may_lie_in_two_folders(root: Path) -> None:
    (root / "balancer").mkdir()
    (root / "balancer/undrain.yml").touch()
    (root / "balancer/other.yml").touch()
    assert paths(root, "balancer/undrain.yml", "hooks/drain.yml")[:2] == [
        "balancer/other.yml",
        "balancer/undrain.yml",
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/etc/hosts", "'/etc/hosts': is absolute"),
        ("hooks/../../x.yml", "'hooks/../../x.yml': leads out of the workspace by `..`"),
        ("patchctl.yml", "'patchctl.yml': lies in the workspace's top folder: move it into hooks/"),
        ("hooks/none.yml", "hooks/none.yml: the hook is not there"),
        ("hooks/lb", "hooks/lb: the hook is not there"),
        ("none/x.yml", "none/x.yml: the hook is not there"),
        ("hooks/{{ x }}.yml", "'hooks/{{ x }}.yml': has braces"),
    ],
)
def test_a_hook_lies_in_a_folder_of_the_workspace(root: Path, name: str, says: str) -> None:
    assert refused(root, name).startswith(says)


# --- links --------------------------------------------------------------------------------------


def test_a_link_counts_by_its_target_and_brings_what_it_leads_to(root: Path) -> None:
    (root / "shared" / "deep").mkdir(parents=True)
    (root / "shared/deep/x.yml").write_text("x")
    (root / "hooks/common").symlink_to("../shared")
    result = read(root, ["hooks/drain.yml"])
    assert HookFile(path="hooks/common", mode=HookMode.LINK, target="../shared") in result.files
    assert "shared/deep/x.yml" in result.content
    assert result.real == {"hooks/common": "shared"}


def test_the_folder_itself_may_be_a_link_in_the_workspace(root: Path) -> None:
    (root / "site").mkdir()
    (root / "hooks").rename(root / "site/hooks")
    (root / "hooks").symlink_to("site/hooks")
    assert paths(root) == [
        "hooks", "site/hooks/drain.yml", "site/hooks/lb/all.yml", "site/hooks/lb/out.sh",
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["../../../outside", "/etc", "../../../outside/x.yml"])
def test_a_link_that_leads_out_is_refused(root: Path, target: str) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside/x.yml").touch()
    (root / "hooks/lb/away").symlink_to(target)
    assert refused(root) == (
        f"hooks/lb/away: is a link that leads out of the workspace, to {target};"
        " put the file itself there"
    )


def test_a_hook_behind_a_link_that_leads_out_is_refused(root: Path) -> None:
    (root / "hooks").rename(root.parent / "elsewhere")
    (root / "hooks").symlink_to("../elsewhere")
    assert refused(root) == "hooks/drain.yml: a link on its way leads out of the workspace"


@pytest.mark.parametrize("target", ["..", "../.", "../../workspace"])
def test_a_link_to_the_whole_workspace_is_refused(root: Path, target: str) -> None:
    (root / "hooks/all").symlink_to(target)
    assert refused(root).startswith("hooks/all: is a link to the whole workspace; link to what")


@pytest.mark.parametrize("target", ["nowhere", "loop", "lb/nowhere"])
def test_a_link_to_nothing_counts_by_its_target(root: Path, target: str) -> None:
    (root / "hooks/loop").symlink_to(target)
    result = read(root, ["hooks/drain.yml"])
    assert HookFile(path="hooks/loop", mode=HookMode.LINK, target=target) in result.files
    assert result.real["hooks/loop"] == ""


def test_links_in_a_circle_end(root: Path) -> None:
    (root / "hooks/again").symlink_to("lb")
    (root / "hooks/lb/up").symlink_to("..")
    assert "hooks/lb/up" in paths(root)


# --- what is no file of a hook ------------------------------------------------------------------


def test_a_pipe_is_refused_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "hooks/pipe")
    assert refused(root).startswith("hooks/pipe: is neither a file nor a folder nor a link")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", os.fsdecode(b"\xff.yml")])
def test_a_name_that_cannot_be_shown_is_refused(root: Path, name: str) -> None:
    (root / "hooks" / name).touch()
    assert "rename it" in refused(root) and refused(root).isascii()


def test_more_than_hooks_can_be_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_files, "MOST_BYTES", 30)
    assert "the hooks are more than 0 MiB; keep hooks in a folder of their own" in refused(root)
    monkeypatch.setattr(hook_files, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(hook_files, "MOST_FILES", 4)
    assert "the hooks are more than 4 files" in refused(root)


# --- what changed -------------------------------------------------------------------------------


def changes(root: Path, planned: tuple[HookFile, ...]) -> str:
    return hooks.in_words(hooks.changed(planned, read(root, ["hooks/drain.yml"]).files))


def test_what_was_changed_is_named(root: Path) -> None:
    (root / "hooks/same").symlink_to("lb")
    planned = read(root, ["hooks/drain.yml"]).files
    assert changes(root, planned) == ""

    (root / "hooks/lb/all.yml").write_text("- command: y\n")
    assert changes(root, planned) == "hooks/lb/all.yml was changed"
    (root / "hooks/lb/all.yml").write_text("- command: x\n")

    (root / "hooks/lb/out.sh").chmod(0o644)
    assert changes(root, planned) == "hooks/lb/out.sh is not executable"
    (root / "hooks/lb/out.sh").chmod(0o755)
    (root / "hooks/lb/all.yml").chmod(0o755)
    assert changes(root, planned) == "hooks/lb/all.yml is executable"
    (root / "hooks/lb/all.yml").chmod(0o644)

    (root / "hooks/same").unlink()
    (root / "hooks/same").symlink_to("drain.yml")
    assert changes(root, planned) == "hooks/same is another link"
    (root / "hooks/same").unlink()
    (root / "hooks/same").write_text("x")
    assert changes(root, planned) == "hooks/same was changed"
    (root / "hooks/same").unlink()

    for number in range(4):
        (root / f"hooks/new{number}").touch()
    assert changes(root, planned) == (
        "hooks/new0 is new, hooks/new1 is new, hooks/new2 is new and 2 more"
    )


def test_a_file_behind_a_link_is_seen_to_change(root: Path) -> None:
    (root / "shared").mkdir()
    (root / "shared/x.yml").write_text("1")
    (root / "hooks/x.yml").symlink_to("../shared/x.yml")
    planned = read(root, ["hooks/drain.yml"]).files
    (root / "shared/x.yml").write_text("2")
    assert changes(root, planned) == "shared/x.yml was changed"
