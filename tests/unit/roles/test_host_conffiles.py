"""What happens to an edited configuration file when its package is downgraded."""

import os
import subprocess
from pathlib import Path

import pytest
from host_shells import LIBRARY, RULES, shells

pytestmark = shells

PARTS = [
    RULES,
    *(LIBRARY / f"{name}.sh" for name in ("lib", "base", "packages", "package_files", "conffiles")),
]


@pytest.fixture
def transaction(tmp_path: Path) -> Path:
    """A transaction after its update: `app.conf` existed before and was edited since,
    `app.conf.rpmsave` is new."""
    for name in ("call", "undo", "etc", "before/conffiles", "old"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/whole").touch()
    path = tmp_path / "app.conf"
    path.write_text("old default\n")
    folder = tmp_path / "before/conffiles"
    subprocess.run(
        ["tar", "-C", "/", "-cf", folder / "files.tar", str(path).removeprefix("/")], check=True
    )
    for name, text in [
        ("present", f"{path}\n"),
        ("watched", f"{path}\n"),
        ("absent", ""),
        ("leftovers", ""),
        ("noted", "1\n"),
        ("sums", sum_of(path)),
    ]:
        (folder / name).write_text(text)
    path.write_text("new default\n")
    (folder / "after").write_text(sum_of(path))
    path.write_text("edited by a person\n")
    return tmp_path


def sum_of(path: Path) -> str:
    return subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout


def run(shell: list[str], tx: Path, script: str) -> str:
    text = "\n".join(path.read_text() for path in PARTS)
    done = subprocess.run(
        [*shell, "-c", f'{text}\nLEFT_BESIDE="rpmsave rpmnew"\n{script}'],
        env={
            "PATH": os.environ["PATH"],
            "tx": str(tx),
            "call": str(tx / "call"),
            "folder": str(tx / "undo"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("moved", [True, False])
def test_it_stays_as_edited_also_where_rpm_laid_the_old_default_in_its_place(
    shell: list[str], transaction: Path, moved: bool
) -> None:
    path = transaction / "app.conf"
    going_back = f'mv "{path}" "{path}.rpmsave"; echo "old default" >"{path}";' if moved else ""
    said = run(
        shell,
        transaction,
        'find_edited "$tx/before/conffiles" || exit 1;'
        f'{going_back} restore_conffiles "$tx/before/conffiles" || exit 1;'
        'say_edited "$tx/before/conffiles"',
    )
    assert path.read_text() == "edited by a person\n"
    assert not (transaction / "app.conf.rpmsave").exists()
    assert (transaction / f"kept{path}").read_text() == "old default\n"
    assert said.split() == ["stays", str(path), f"{transaction}/kept{path}"]


def test_a_file_that_nobody_edited_is_as_before(shell: list[str], transaction: Path) -> None:
    path = transaction / "app.conf"
    path.write_text("new default\n")
    run(
        shell,
        transaction,
        'find_edited "$tx/before/conffiles" && restore_conffiles "$tx/before/conffiles"',
    )
    assert path.read_text() == "old default\n"
