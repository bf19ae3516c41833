"""What hosts printed is kept in small private files."""

from pathlib import Path

from patchctl.adapters.host_output import BYTES_MAX, HostOutputs
from patchctl.models.rollout import Stage


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    kept = HostOutputs(tmp_path / "output")
    kept.keep("r-1", "web1", 1, Stage.APPLY, ["one", "two"])
    assert kept.read("r-1", "web1", 1, Stage.APPLY) == ("one", "two")
    assert kept.read("r-1", "web1", 2, Stage.APPLY) is None
    assert kept.read("r-2", "web1", 1, Stage.APPLY) is None


def test_the_same_stage_again_replaces_it(tmp_path: Path) -> None:
    kept = HostOutputs(tmp_path)
    kept.keep("r-1", "web1", 1, Stage.APPLY, ["one"])
    kept.keep("r-1", "web1", 1, Stage.APPLY, ["two"])
    assert kept.read("r-1", "web1", 1, Stage.APPLY) == ("two",)


def test_nothing_printed_is_nothing_kept(tmp_path: Path) -> None:
    HostOutputs(tmp_path / "output").keep("r-1", "web1", 1, Stage.APPLY, [])
    assert not (tmp_path / "output").exists()


def test_files_are_private_bounded_and_below_the_folder_of_their_run(tmp_path: Path) -> None:
    kept = HostOutputs(tmp_path / "output")
    kept.keep("r-1", "../../x/..", 1, Stage.UNDO, ["y" * 1000] * 1000)
    (run,) = (tmp_path / "output").iterdir()
    (file,) = run.iterdir()
    assert [oct(path.stat().st_mode & 0o777) for path in (run.parent, run, file)] == [
        "0o700",
        "0o700",
        "0o600",
    ]
    assert file.stat().st_size == BYTES_MAX


def test_a_run_goes_on_where_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("not a folder")
    HostOutputs(tmp_path / "output").keep("r-1", "web1", 1, Stage.APPLY, ["one"])
