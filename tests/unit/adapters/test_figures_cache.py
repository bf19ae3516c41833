"""Figures are kept until something that they were counted from has changed."""

from pathlib import Path

from patchctl.adapters.figures_cache import FiguresCache
from patchctl.models.fleet_status import HostFigures
from patchctl.models.priority import Decision

ROW = HostFigures(
    name="web1",
    os="debian 12",
    taken=1,
    imported=False,
    pending=None,
    security=None,
    excluded=None,
    reboot_required=None,
    old_code=None,
    findings={Decision.ACT: 1},
    overdue=0,
    excluded_findings=0,
    waived=0,
    ecosystems=("Debian:12",),
    lists_fetched=0,
    faulty_repositories=0,
)


def test_they_come_back_by_the_key_alone(tmp_path: Path) -> None:
    cache = FiguresCache(tmp_path / "cache")
    assert cache.get("k") is None
    cache.put("k", [ROW])
    assert cache.get("k") == [ROW]
    assert cache.get("other") is None
    cache.put("other", [])
    assert (cache.get("k"), cache.get("other")) == (None, [])


def test_only_the_user_can_read_them(tmp_path: Path) -> None:
    FiguresCache(tmp_path / "cache").put("k", [ROW])
    (file,) = (tmp_path / "cache").iterdir()
    assert ((tmp_path / "cache").stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_what_is_damaged_counts_as_missing(tmp_path: Path) -> None:
    cache = FiguresCache(tmp_path)
    cache.put("k", [ROW])
    (file,) = tmp_path.iterdir()
    for data in (b"", b"[]", b'{"key":"k","hosts":[{}]}', b"[" * 100_000):
        file.write_bytes(data)
        assert cache.get("k") is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = FiguresCache(tmp_path / "file" / "cache")
    cache.put("k", [ROW])
    assert cache.get("k") is None
