"""Files and folders of the state: private with any umask, complete even on a full disk."""

import os
import stat
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchctl.adapters import files
from patchctl.errors import AdapterError

Room = namedtuple("Room", "f_bavail f_frsize")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


@pytest.mark.usefixtures("umask")
class TestModes:
    def test_a_folder_is_private_with_all_that_were_made_above_it(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        made = files.private_folder(tmp_path / "a" / "b" / "state")
        assert [mode(folder) for folder in (made, made.parent, made.parent.parent)] == [0o700] * 3
        assert mode(tmp_path) == 0o755  # what was there is somebody's own

    def test_a_file_is_private(self, tmp_path: Path) -> None:
        assert mode(files.private_file(tmp_path / "f")) == 0o600
        files.write_atomic(tmp_path / "g", b"x")
        assert mode(tmp_path / "g") == 0o600
        with files.locked(tmp_path / "lock"):
            assert mode(tmp_path / "lock") == 0o600

    def test_a_file_of_a_checkout_has_the_mode_that_was_asked_for(self, tmp_path: Path) -> None:
        files.write_atomic(tmp_path / "plan.lock", b"x", mode=0o644)
        assert mode(tmp_path / "plan.lock") == 0o644


class TestRoom:
    def test_a_disk_that_is_all_but_full_begins_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "statvfs", lambda _: Room(4 * 256, 4096))
        files.check_room(tmp_path)
        monkeypatch.setattr(os, "statvfs", lambda _: Room(4 * 256 - 1, 4096))
        with pytest.raises(AdapterError, match=r"less than 4 MiB are free.*; free space there"):
            files.check_room(tmp_path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(AdapterError, match="gone: No such file"):
            files.check_room(tmp_path / "gone")

    def test_a_write_that_fails_leaves_the_old_content(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        files.write_atomic(tmp_path / "f", b"old")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(AdapterError, match="No space left on device"):
            files.write_atomic(tmp_path / "f", b"new")
        assert (tmp_path / "f").read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
