"""apt as real hosts have it: settings of a site, odd repositories, packages that change."""

from pathlib import Path

import pytest
from hostside import Drive, well
from test_hostside import undo_well
from test_rollout import patchctl

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
DANGEROUS = (Path(__file__).parents[1] / "data/apt/dangerous.conf").read_text()


def write(lab: Lab, path: str, content: str) -> None:
    """A file on the host."""
    lab.check(HOST, f"cat >{path} <<'END_OF_FILE'\n{content}\nEND_OF_FILE")


def left_out(workspace: Path, *asked: str) -> dict[str, tuple[str, str]]:
    """Package to reason and detail, of a plan for the host that has nothing to do."""
    made = patchctl(workspace, "plan", "create", *asked, "--limit", HOST, code=1)
    return {
        one["package"]: (one["reason"], one["detail"])
        for one in made["left_out"]
        if one["host"] == HOST
    }


def test_settings_of_the_site_hide_nothing_and_change_nothing(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("conffile")
    fresh_lab.check(HOST, "apt-get update")  # with some of these settings it only prints
    path = fresh_lab.check(HOST, "dpkg-query -W -f '${Conffiles}' patchlab-conf").split()[0]
    fresh_lab.check(HOST, f"echo 'workers = 99' >{path}")
    write(fresh_lab, "/etc/apt/apt.conf.d/99site", 'APT::Default-Release "bookworm";')
    assert left_out(workspace, "--package", "patchlab-web")["patchlab-web"] == (
        "pinned",
        "APT::Default-Release is bookworm, which keeps it at 1.0-1",
    )
    write(fresh_lab, "/etc/apt/apt.conf.d/99site", DANGEROUS)
    write(fresh_lab, "/etc/dpkg/dpkg.cfg.d/site", "force-confnew")
    drive = Drive(workspace, "patchlab-conf", limit=HOST)
    applied = drive.applied(HOST)
    assert applied.evidence["conffiles"] == [f"kept {path} (the package's is {path}.dpkg-dist)"]
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"
    # What a site does around dpkg is done, as it was written.
    assert fresh_lab.check(HOST, "sort -u /root/hooks") == "post 50%\npre\n"
    assert fresh_lab.check(HOST, "head -n 1 /root/pkgs") == "VERSION 2\n"
    assert "Log started" in fresh_lab.check(HOST, "cat /var/log/apt/site.log")
    well(drive.until_done(Stage.VERIFY, HOST))
    undo_well(drive)
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"
