"""What the scripts do where they must change nothing, and what they tell of a job's log."""

from pathlib import Path

from host_shells import shells
from roles.test_host_functions import call

pytestmark = shells


class TestOnlyACheck:
    def test_it_takes_nothing_of_what_is_laid_aside(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "reserve").write_text("x")
        asking = "only_check=yes; if use_reserve; then echo taken; else echo left; fi"
        assert call(shell, tmp_path, asking, "lib.sh", "base.sh") == ["left"]
        assert (tmp_path / "reserve").exists()
        assert call(shell, tmp_path, "use_reserve && echo taken", "lib.sh", "base.sh") == ["taken"]

    def test_it_looks_for_room_where_its_own_files_lie(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        asking = "only_check=yes; BASE=$tx/nowhere; has_room && echo room"
        assert call(shell, tmp_path, asking, "lib.sh", "base.sh") == ["room"]

    def test_a_folder_of_somebody_else_is_refused_and_stays(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        asking = "only_check=yes; BASE=$tx/link; open_check"
        lines = call(shell, tmp_path, asking, "lib.sh", "base.sh")
        assert lines[-1] == "answer failed"
        assert "is not a folder of root alone" in lines[0]


class TestWhatAJobPrinted:
    PARTS = ("lib.sh", "base.sh", "job.sh")

    def test_it_is_told_line_by_line_without_what_a_terminal_obeys(
        self, shell: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "apply").mkdir()
        (tmp_path / "apply/log").write_bytes(b"Unpacking\n\n 5%\r 9%\n\x1b[31mred\x1b[0m\n")
        assert call(shell, tmp_path, "say_output apply", *self.PARTS) == [
            "output Unpacking",
            "output  5%",
            "output  9%",
            "output  [31mred [0m",
        ]

    def test_only_its_end_is_told(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "apply").mkdir()
        lines = [f"line {number}" for number in range(20_000)]
        (tmp_path / "apply/log").write_text("\n".join([*lines, "x" * 5000, "end", ""]))
        told = call(shell, tmp_path, "say_output apply", *self.PARTS)
        assert told[-2:] == ["output " + "x" * 400, "output end"]
        assert sum(map(len, told)) < 40_000

    def test_without_a_log_nothing_is_told(self, shell: list[str], tmp_path: Path) -> None:
        assert call(shell, tmp_path, "say_output apply", *self.PARTS) == []
