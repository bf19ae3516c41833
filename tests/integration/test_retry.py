"""`rollout retry` on real hosts: a failed host is repaired, tried again, and succeeds."""

from pathlib import Path
from typing import Any

import pytest
from hostside import Drive, failed, well
from managed import over, upgrades
from test_rollout import make_plan, patchctl, versions

from patchctl.lab.handle import Lab
from patchctl.models.rollout import Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
# Passes before the update, and after it only on a host that somebody fixed.
PROBE = "#!/bin/sh\ngrep -qx version=1.0-1 /usr/lib/patchlab/web || test -e /root/fixed\n"


def host_of(status: Any) -> tuple[str, str, int]:
    (host,) = status["hosts"]
    return host["state"], host["stage"], host["attempt"]


def with_probe(workspace: Path, policy: str = "") -> None:
    settings = workspace / "patchctl.yml"
    probe = "probes:\n  - {name: fixed, kind: command, target: /root/probe, within: 1s}\n"
    text = settings.read_text().replace("probes:\n", probe)
    settings.write_text(text.replace("soak: 2s,", f"soak: 2s, {policy}"))


def put_probe(lab: Lab) -> None:
    lab.check(HOST, f"cat >/root/probe <<'END'\n{PROBE}END\nchmod +x /root/probe")


@over("debian")
def test_a_host_that_was_fixed_succeeds_in_another_attempt(fresh_lab: Lab, workspace: Path) -> None:
    with_probe(workspace)
    put_probe(fresh_lab)
    plan = make_plan(workspace, "patchlab-web", limit=HOST)
    fresh_lab.check(HOST, "mkdir -p /run/systemd/shutdown && touch /run/systemd/shutdown/scheduled")
    status = patchctl(workspace, "rollout", plan, "--yes", code=3)
    assert host_of(status) == ("failed", "preflight", 1)

    fresh_lab.check(HOST, "rm /run/systemd/shutdown/scheduled")
    status = patchctl(workspace, "rollout", "retry", code=3)
    assert host_of(status) == ("rolled_back", "verify", 2)
    assert versions(fresh_lab, "patchlab-web", [HOST]) == {HOST: "1.0-1"}

    fresh_lab.check(HOST, "touch /root/fixed")
    status = patchctl(workspace, "rollout", "retry", "--host", HOST, code=3)
    assert host_of(status) == ("succeeded", "verify", 3)
    assert status["state"] == "halted"
    assert "1 of 1 hosts did not succeed (1 since then" in status["reason"]
    assert versions(fresh_lab, "patchlab-web", [HOST]) == {HOST: "1.0-2"}
    assert len(upgrades(fresh_lab, HOST, "patchlab-web")) == 3  # there, back, there

    assert patchctl(workspace, "rollout", "resume", "--accept-failures")["state"] == "done"
    patchctl(workspace, "rollout", "retry", code=2)


def test_a_failed_update_that_was_left_is_finished_by_a_later_attempt(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("bad-postinst")
    drive = Drive(workspace, "patchlab-hook", limit=HOST)
    drive.prepared(HOST)
    assert "post-install" in failed(drive.until_done(Stage.APPLY, HOST))
    script = "/var/lib/dpkg/info/patchlab-hook.postinst"
    fresh_lab.check(HOST, f"printf '#!/bin/sh\nexit 0\n' >{script}")
    failed(drive.once(Stage.APPLY, HOST))  # recorded for good, as long as nobody says so

    drive.attempt = 2
    drive.prepared(HOST)
    well(drive.until_done(Stage.APPLY, HOST))
    well(drive.until_done(Stage.RESTART, HOST))
    well(drive.until_done(Stage.VERIFY, HOST))
    assert versions(fresh_lab, "patchlab-hook", [HOST]) == {HOST: "1.0-2"}
    well(drive.until_done(Stage.UNDO, HOST))
    assert versions(fresh_lab, "patchlab-hook", [HOST]) == {HOST: "1.0-1"}


@over("debian")
@pytest.mark.proof
def test_an_update_that_was_left_is_verified_anew_and_can_be_undone(
    fresh_lab: Lab, workspace: Path
) -> None:
    with_probe(workspace, "on_failure: stop,")
    put_probe(fresh_lab)
    plan = make_plan(workspace, "patchlab-web", limit=HOST)
    status = patchctl(workspace, "rollout", plan, "--yes", code=3)
    assert host_of(status) == ("failed", "verify", 1)

    fresh_lab.check(HOST, "touch /root/fixed")
    status = patchctl(workspace, "rollout", "retry", code=3)
    assert host_of(status) == ("succeeded", "verify", 2)
    assert len(upgrades(fresh_lab, HOST, "patchlab-web")) == 1
    assert patchctl(workspace, "rollback", "--yes")["state"] == "rolled_back"
    assert versions(fresh_lab, "patchlab-web", [HOST]) == {HOST: "1.0-1"}
