"""The workspace that a lab writes."""

import base64
import gzip
import io
import tarfile
from pathlib import Path

import pytest
import yaml

from patchctl.config import settings
from patchctl.errors import AdapterError, InvalidInputError
from patchctl.lab import trees, workspace
from patchctl.lab.model import host_slots
from patchctl.models.lab import LabHost
from patchctl.models.policy import Promote

PLACES = host_slots(6, "debian", 3)


def write(root: Path) -> list[str]:
    workspace.make_key(root, "lab")
    return workspace.write(root, "lab", PLACES, "[127.0.3.1]:2222 ssh-ed25519 AAAA\n")


def test_its_settings_promote_by_themselves_and_soak_seconds(tmp_path: Path) -> None:
    write(tmp_path)
    loaded = settings.load(tmp_path / "patchctl.yml")
    assert [ring.name for ring in loaded.rings] == ["staging", "canary", "production"]
    assert {ring.promote for ring in loaded.rings} == {Promote.AUTO}
    assert all(ring.soak_s <= 5 for ring in loaded.rings)
    assert [ring.budget.hosts for ring in loaded.rings] == [0, 0, None]
    assert loaded.rings[0].probes[0].packages == ("patchlab-web",)
    assert loaded.feeds.max_age_of("changelog") > 365 * 86400  # its packages are frozen


def test_its_inventory_names_every_host_once_with_its_ring(tmp_path: Path) -> None:
    write(tmp_path)
    groups = yaml.safe_load((tmp_path / "inventory/hosts.yml").read_text())["all"]["children"]
    assert list(groups["staging"]["hosts"]) == ["staging-1", "staging-2"]
    assert list(groups["canary"]["hosts"]) == ["canary-1"]
    assert groups["production"]["hosts"]["production-3"] == {"ansible_host": "127.0.3.6"}
    assert set(groups["web"]["hosts"]) | set(groups["db"]["hosts"]) == {p.name for p in PLACES}


def test_no_path_in_it_is_absolute(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("patchctl.yml", "inventory/hosts.yml"):
        assert str(tmp_path) not in (tmp_path / name).read_text()


def test_the_private_key_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / "lab/id_ed25519").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "lab").stat().st_mode & 0o777 == 0o700
    assert "lab/\n" in (tmp_path / ".gitignore").read_text()


@pytest.mark.parametrize("content", [".git", ".patchctl", "plans"])
def test_a_folder_with_only_an_operators_things_may_be_used(tmp_path: Path, content: str) -> None:
    (tmp_path / content).mkdir()
    workspace.check(tmp_path, "lab")


@pytest.mark.parametrize("content", ["patchctl.yml", "inventory", "thesis.tex"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / content).touch()
    with pytest.raises(InvalidInputError, match="not the workspace of a lab"):
        workspace.check(tmp_path, "lab")


def test_the_workspace_of_another_lab_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InvalidInputError, match="workspace of lab lab"):
        workspace.check(tmp_path, "other")


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    root.mkdir()
    write(root)
    assert workspace.remove(root, "lab")
    assert not root.exists()


def test_removing_what_was_only_begun_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    root.mkdir()
    workspace.make_key(root, "lab")
    assert workspace.remove(root, "lab")
    assert not root.exists()


def test_removing_keeps_plans_state_and_edited_files(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "plans").mkdir()
    (tmp_path / "patchctl.yml").write_text("rings: []\n")
    assert not workspace.remove(tmp_path, "lab")
    assert {item.name for item in tmp_path.iterdir()} == {"plans", "patchctl.yml", "lab"}
    assert [item.name for item in (tmp_path / "lab").iterdir()] == ["lab.json"]
    workspace.check(tmp_path, "lab")


def test_removing_another_labs_workspace_does_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    assert not workspace.remove(tmp_path, "other")
    assert (tmp_path / "lab/id_ed25519").exists()


def test_an_edited_file_is_set_aside_by_the_next_lab(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "patchctl.yml").write_text("# mine\n")
    assert write(tmp_path) == ["patchctl.yml"]
    assert (tmp_path / "patchctl.yml.bak").read_text() == "# mine\n"


def test_a_host_made_anew_gets_its_new_key_into_known_hosts(tmp_path: Path) -> None:
    write(tmp_path)
    host = LabHost(
        name="staging-1",
        address="127.0.3.1",
        port=2222,
        image="debian",
        state="running",
        ring="staging",
        lab="lab",
        container="patchctl-lab-staging-1",
    )
    workspace.replace_known_hosts(tmp_path, {host.address: (host, "ssh-ed25519 BBBB")})
    assert (tmp_path / "known_hosts").read_text() == "[127.0.3.1]:2222 ssh-ed25519 BBBB\n"


# --- the feed -----------------------------------------------------------------------------------


def packed(**files: bytes) -> str:
    """Return what the repository's container sends: base64 of a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            trees.add(tar, name, data)
    return base64.b64encode(buffer.getvalue()).decode()


def changelog(name: str) -> dict[str, bytes]:
    return {f"./{name}.changelog.gz": gzip.compress(name.encode())}


def test_the_feed_is_what_the_repository_has_now(tmp_path: Path) -> None:
    write(tmp_path)
    feed = workspace.write_feed(tmp_path, "lab", packed(**changelog("perl"), **changelog("web")))
    assert feed == tmp_path / "lab/feed"
    workspace.write_feed(tmp_path, "lab", packed(**changelog("web"), **changelog("openssl")))
    assert {path.name for path in feed.iterdir()} == {"openssl.changelog.gz", "web.changelog.gz"}
    assert {path.stat().st_mode & 0o777 for path in feed.iterdir()} == {0o600}


def test_a_file_of_another_name_is_never_written(tmp_path: Path) -> None:
    write(tmp_path)
    astray = {"../evil.changelog.gz": b"x", "./a/b.changelog.gz": b"x", "./id_ed25519": b"x"}
    feed = workspace.write_feed(tmp_path, "lab", packed(**astray))
    assert feed is not None
    assert list(feed.iterdir()) == []
    assert not (tmp_path / "lab/evil.changelog.gz").exists()


@pytest.mark.parametrize("told", ["no base64!", base64.b64encode(b"no tar").decode()])
def test_what_is_no_feed_leaves_the_old_one(tmp_path: Path, told: str) -> None:
    write(tmp_path)
    workspace.write_feed(tmp_path, "lab", packed(**changelog("perl")))
    with pytest.raises(AdapterError, match="told no changelogs"):
        workspace.write_feed(tmp_path, "lab", told)
    assert (tmp_path / "lab/feed/perl.changelog.gz").exists()


def test_a_workspace_that_is_another_labs_keeps_its_feed(tmp_path: Path) -> None:
    assert workspace.write_feed(tmp_path, "lab", packed(**changelog("perl"))) is None
    write(tmp_path)
    assert workspace.write_feed(tmp_path, "other", packed(**changelog("perl"))) is None
    assert not (tmp_path / "lab/feed").exists()


def test_the_feed_goes_with_the_lab(tmp_path: Path) -> None:
    write(tmp_path)
    workspace.write_feed(tmp_path, "lab", packed(**changelog("perl")))
    (tmp_path / "patchctl.yml").write_text("# mine\n")
    assert not workspace.remove(tmp_path, "lab")
    assert not (tmp_path / "lab/feed").exists()
