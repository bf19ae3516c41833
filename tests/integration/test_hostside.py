"""A transaction on a real host, stage by stage: its effects and its refusals."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import faults
import pytest
from hostside import Drive, checks, failed, wait, well
from managed import (
    automatic,
    install,
    is_rpm,
    new_file_beside,
    over,
    put_updater,
    updater_timer,
    upgrades,
    verify_files,
)
from managed import version as installed

from patchctl.lab.handle import Lab
from patchctl.lab.services import CONFFILE
from patchctl.models.rollout import HostOutcome, OutcomeStatus, Stage

pytestmark = pytest.mark.lab

HOST = "staging-1"
KEPT = "/var/lib/patchctl"


def version(lab: Lab, package: str) -> str:
    """Return the version on the host; "" where it is not installed."""
    return installed(lab, HOST, package)


def undo_well(drive: Drive) -> HostOutcome:
    """Undo and verify the undo, which must succeed."""
    undone = well(drive.until_done(Stage.UNDO, HOST))
    well(drive.until_done(Stage.VERIFY_UNDO, HOST))
    return undone


@over("debian")
def test_a_new_dependency_comes_and_goes_and_marks_stay(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("new-dep")
    before = automatic(fresh_lab, HOST)
    drive = Drive(workspace, "patchlab-app")
    prepared = drive.prepared(HOST)
    ways = {row["way"] for row in prepared.evidence["old"]}
    assert ways == {"repository" if is_rpm(fresh_lab, HOST) else "cache"}
    applied = well(drive.until_done(Stage.APPLY, HOST))
    assert applied.evidence["touched"] and applied.evidence["code"] == 0
    assert automatic(fresh_lab, HOST) == before | {"patchlab-extra"}
    well(drive.once(Stage.RESTART, HOST))
    verified = well(drive.until_done(Stage.VERIFY, HOST))
    assert all(check["ok"] for check in checks(verified).values())
    assert checks(verified)["probe web"]["detail"] == "http"

    again = well(drive.once(Stage.APPLY, HOST))
    assert again.evidence == applied.evidence
    assert len(upgrades(fresh_lab, HOST, "patchlab-app")) == 1

    undo_well(drive)
    assert version(fresh_lab, "patchlab-app") == "1.0-1"
    assert version(fresh_lab, "patchlab-extra") == ""
    assert automatic(fresh_lab, HOST) == before


def test_a_removed_package_comes_back_rebuilt(fresh_lab: Lab, workspace: Path) -> None:
    settings = workspace / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:", "policy:\n  allow_removals: true"))
    fresh_lab.publish("removes")
    listing = "dpkg -L patchlab-legacy | xargs stat -c '%n %A %U %G %F' | sort"
    files = fresh_lab.check(HOST, listing)
    drive = Drive(workspace, "patchlab-store")
    prepared = drive.prepared(HOST)
    ways = {row["package"]: row["way"] for row in prepared.evidence["old"]}
    assert ways["patchlab-legacy"] == "rebuilt"
    well(drive.until_done(Stage.APPLY, HOST))
    assert version(fresh_lab, "patchlab-legacy") == ""
    well(drive.until_done(Stage.VERIFY, HOST))
    undo_well(drive)
    assert version(fresh_lab, "patchlab-legacy") == "1.0-1"
    assert fresh_lab.check(HOST, listing) == files
    assert fresh_lab.check(HOST, "dpkg --verify patchlab-legacy") == ""


@over("debian")
def test_a_changed_configuration_file_survives_update_and_undo(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("conffile")
    path = CONFFILE
    beside = new_file_beside(fresh_lab, HOST, path)
    fresh_lab.check(HOST, f"echo 'workers = 99' >{path}")
    drive = Drive(workspace, "patchlab-conf")
    applied = drive.applied(HOST)
    assert applied.evidence["config"] == [{"path": path, "beside": beside}]
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"
    undo_well(drive)
    assert fresh_lab.check(HOST, f"cat {path}") == "workers = 99\n"
    assert fresh_lab.check(HOST, f"ls {path}.*; true") == ""
    # It must still be known that the administrator changed it, or the next update overwrites it.
    assert "5" in verify_files(fresh_lab, HOST, "patchlab-conf").split()[0]


def test_files_that_maintainer_scripts_write_come_back(fresh_lab: Lab, workspace: Path) -> None:
    # The update takes certificate authorities away; a plain downgrade leaves them deselected.
    paths = "/etc/ca-certificates.conf /etc/ssl/certs/ca-certificates.crt"
    before = fresh_lab.check(HOST, f"md5sum {paths}")
    drive = Drive(workspace, "ca-certificates")
    drive.applied(HOST)
    assert fresh_lab.check(HOST, f"md5sum {paths}") != before
    undo_well(drive)
    assert fresh_lab.check(HOST, f"md5sum {paths}") == before


def test_a_transaction_outlives_its_controllers_and_runs_once(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("slow")
    drive = Drive(workspace, "patchlab-slow", "patchlab-web")
    drive.prepared(HOST)
    outcomes: list[HostOutcome] = []
    racers = [
        threading.Thread(target=lambda: outcomes.append(drive.once(Stage.APPLY, HOST)))
        for _ in range(2)
    ]
    for racer in racers:
        racer.start()
    time.sleep(4)
    holders = fresh_lab.check(
        HOST,
        f"for p in /proc/[0-9]*; do ls -l $p/fd 2>/dev/null | grep -q '{KEPT}/lock$'"
        " && cat $p/comm; done; true",
    ).split()
    # No child of dpkg keeps the host locked; `flock` are the two who wait for the end.
    assert "sh" in holders and set(holders) <= {"sh", "cat", "flock"}
    refused = host_command(workspace, "clean", HOST, "--yes")
    assert "runs on this host" in refused["hosts"][0]["error"]
    # Every connection to the host breaks at once.
    fresh_lab.check(HOST, "pkill -KILL sshd; systemctl restart ssh")
    for racer in racers:
        racer.join()
    assert {outcome.status for outcome in outcomes} <= {
        OutcomeStatus.RUNNING,
        OutcomeStatus.UNREACHABLE,
        OutcomeStatus.LOST,
    }
    well(drive.until_done(Stage.APPLY, HOST))
    assert len(upgrades(fresh_lab, HOST, "patchlab-slow")) == 1
    assert len(upgrades(fresh_lab, HOST, "patchlab-web")) == 1
    assert fresh_lab.check(HOST, f"wc -l <{KEPT}/t-1/apply/started").strip() == "1"


def host_command(workspace: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "patchctl", "-C", str(workspace), "host"),
            *arguments,
            *("-o", "json"),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    result = json.loads(done.stdout)
    assert done.returncode == (4 if any(host["error"] for host in result["hosts"]) else 0)
    return result


def cut_power_in_the_middle(lab: Lab, drive: Drive) -> None:
    drive.prepared(HOST)
    executor = drive.executor()
    executor.start(drive.shard(Stage.APPLY, HOST))
    for _ in range(100):
        if version(lab, "patchlab-slow").endswith("iF"):
            break
        time.sleep(0.2)
    lab.stop(HOST)
    executor.stop()
    lab.start(HOST)
    assert lab.check(HOST, "dpkg --audit") != ""


def test_a_power_cut_in_the_middle_is_repaired(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("slow")
    drive = Drive(workspace, "patchlab-slow", "patchlab-web")
    cut_power_in_the_middle(fresh_lab, drive)
    repaired = well(drive.until_done(Stage.APPLY, HOST))
    assert "interrupted" in repaired.evidence["repaired"]
    assert version(fresh_lab, "patchlab-slow") == version(fresh_lab, "patchlab-web") == "1.0-2"
    assert fresh_lab.check(HOST, "dpkg --audit") == ""
    assert len(upgrades(fresh_lab, HOST, "patchlab-web")) == 1
    assert well(drive.once(Stage.APPLY, HOST)).evidence == repaired.evidence
    well(drive.until_done(Stage.VERIFY, HOST))


def test_a_power_cut_in_the_middle_can_be_undone(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("slow")
    drive = Drive(workspace, "patchlab-slow", "patchlab-web")
    cut_power_in_the_middle(fresh_lab, drive)
    undo_well(drive)
    assert version(fresh_lab, "patchlab-slow") == version(fresh_lab, "patchlab-web") == "1.0-1"
    assert failed(drive.once(Stage.APPLY, HOST)) != ""


@over("debian")
def test_one_run_and_one_controller_hold_a_host(fresh_lab: Lab, workspace: Path) -> None:
    drive = Drive(workspace, "patchlab-web")
    drive.fence = 3
    well(drive.once(Stage.PREFLIGHT, HOST))
    drive.run = "r-other"
    reason = failed(drive.once(Stage.PREFLIGHT, HOST))
    assert "run r-test works on this host since 20" in reason
    assert "patchctl host clean frees it" in reason
    drive.run, drive.fence = "r-test", 2
    for stage in (Stage.PREFLIGHT, Stage.PREPARE):
        assert "another controller of run r-test took over" in failed(drive.once(stage, HOST))
    drive.fence = 3
    well(drive.once(Stage.PREPARE, HOST))
    drive.fence = 2
    for stage in (Stage.APPLY, Stage.REBOOT, Stage.UNDO):
        assert "took over" in failed(drive.once(stage, HOST))
    assert version(fresh_lab, "patchlab-web") == "1.0-1"

    drive.fence = 4
    well(drive.until_done(Stage.APPLY, HOST))
    well(drive.until_done(Stage.VERIFY, HOST))
    kept = host_command(workspace, "show", HOST)["hosts"][0]
    assert kept["claim"]["active"] is False
    host_command(workspace, "clean", HOST, "--yes")
    fresh_lab.check(HOST, f"test ! -e {KEPT}")


# Name -> (what is done to the host, what fixes it, what preflight says).
REFUSALS = {
    "another machine": (
        "cp /etc/machine-id /root/id; echo 0123456789abcdef0123456789abcdef >/etc/machine-id",
        "cat /root/id >/etc/machine-id",
        "another machine than planned",
    ),
    "held": ("apt-mark hold patchlab-web", "apt-mark unhold patchlab-web", "is held"),
    "shutdown": (
        "mkdir -p /run/systemd/shutdown && touch /run/systemd/shutdown/scheduled",
        "rm /run/systemd/shutdown/scheduled",
        "a shutdown is scheduled",
    ),
    "foreign folder": (
        f"rm -rf {KEPT}; ln -s /tmp {KEPT}",
        f"rm {KEPT}",
        "is not a folder of root alone",
    ),
    "half-installed": (
        "sed -i '/^Package: patchlab-docs$/,/^$/s/ok installed/ok half-configured/' "
        "/var/lib/dpkg/status",
        "dpkg --configure -a",
        "not fully installed",
    ),
}


def test_preflight_refuses_a_host_that_is_not_fit(fresh_lab: Lab, workspace: Path) -> None:
    drive = Drive(workspace, "patchlab-web")
    fresh_lab.check(HOST, f"rm -rf {KEPT}")
    for name, (harm, fix, words) in REFUSALS.items():
        fresh_lab.check(HOST, harm)
        reason = failed(drive.once(Stage.PREFLIGHT, HOST))
        assert words in reason, name
        fresh_lab.check(HOST, fix)
    put_updater(fresh_lab, HOST)
    assert updater_timer(fresh_lab, HOST) in failed(drive.once(Stage.PREFLIGHT, HOST))
    fresh_lab.check(HOST, "rm /etc/apt/apt.conf.d/20auto")
    faults.wrong_clock(fresh_lab, HOST, -200_000)
    assert "the clock is" in failed(drive.once(Stage.PREFLIGHT, HOST))
    faults.wrong_clock(fresh_lab, HOST, -4_000)
    assert "note" in checks(well(drive.once(Stage.PREFLIGHT, HOST)))["clock"]
    fresh_lab.check(HOST, f"rm -rf /usr/local/bin/date {KEPT}")
    fresh_lab.check(HOST, f"test ! -e {KEPT}/claim")
    well(drive.once(Stage.PREFLIGHT, HOST))


@over("debian")
def test_preflight_refuses_a_full_disk(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("big")
    faults.small_disk(fresh_lab, HOST, "/var", 400)
    shutil.copy(fresh_lab.workspace / "known_hosts", workspace)
    drive = Drive(workspace, "patchlab-big")
    faults.fill_disk(fresh_lab, HOST, "/var")
    fresh_lab.check(HOST, "truncate -s -20M /var/patchlab-filler")
    assert "/var has" in failed(drive.once(Stage.PREFLIGHT, HOST))


@over("debian")
def test_a_competing_updater_is_held_for_the_run(fresh_lab: Lab, workspace: Path) -> None:
    settings = workspace / "patchctl.yml"
    settings.write_text(
        settings.read_text().replace("policy:", "policy:\n  updaters: hold-for-run")
    )
    put_updater(fresh_lab, HOST)
    drive = Drive(workspace, "patchlab-web")
    state = f"systemctl is-active {updater_timer(fresh_lab, HOST)}; true"
    drive.applied(HOST)
    assert fresh_lab.check(HOST, state).strip() == "inactive"
    well(drive.until_done(Stage.VERIFY, HOST))
    assert fresh_lab.check(HOST, state).strip() == "active"


def test_a_host_without_repositories_gets_its_files_pushed(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("new-dep")
    drive = Drive(workspace, "patchlab-app", "patchlab-web")
    fresh_lab.check(
        HOST,
        "mv /etc/apt/sources.list /root/; apt-get update -qq; rm -f /var/cache/apt/archives/*.deb",
    )
    prepared = drive.prepared(HOST)
    assert {row["way"] for row in prepared.evidence["old"]} == {"rebuilt"}
    kept = fresh_lab.check(HOST, f"ls -l {KEPT}/t-1/new").splitlines()[1:]
    assert len(kept) == 3 and all(line.startswith("-rw------- 1 root root") for line in kept)
    well(drive.until_done(Stage.APPLY, HOST))
    well(drive.until_done(Stage.VERIFY, HOST))
    undo_well(drive)


@over("debian")
def test_a_prepared_file_that_changed_is_not_installed(fresh_lab: Lab, workspace: Path) -> None:
    drive = Drive(workspace, "patchlab-web")
    drive.prepared(HOST)
    fresh_lab.check(HOST, f"for f in {KEPT}/t-1/new/*; do echo x >>$f; done")
    applied = drive.until_done(Stage.APPLY, HOST)
    assert "is not what the plan says" in failed(applied)
    assert applied.evidence["touched"] is False
    assert upgrades(fresh_lab, HOST, "patchlab-web") == []


@over("debian")
def test_what_changed_since_prepare_stops_it_before_it_begins(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("new-dep")
    drive = Drive(workspace, "patchlab-app")
    drive.prepared(HOST)
    install(fresh_lab, HOST, "patchlab-extra")
    applied = drive.until_done(Stage.APPLY, HOST)
    assert "not as planned: patchlab-extra" in failed(applied)
    assert version(fresh_lab, "patchlab-app") == "1.0-1"


@over("debian")
def test_a_reboot_happens_once(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("reboot-wanted")
    drive = Drive(workspace, "patchlab-boot")
    applied = drive.applied(HOST)
    assert applied.evidence["reboot_required"] is True
    rebooted = well(drive.until_done(Stage.REBOOT, HOST))
    assert rebooted.evidence["boot"] != applied.evidence["boot"]
    assert rebooted.evidence["reboot_required"] is False
    again = well(drive.once(Stage.REBOOT, HOST))
    assert again.evidence["boot"] == rebooted.evidence["boot"]
    well(drive.until_done(Stage.VERIFY, HOST))


@over("debian")
def test_a_service_on_an_old_library_is_restarted(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("lib")
    drive = Drive(workspace, "patchlab-lib")
    drive.applied(HOST)
    restarted = well(drive.until_done(Stage.RESTART, HOST))
    assert restarted.evidence["restarted"] == ["patchlab-daemon.service"]
    verified = well(drive.until_done(Stage.VERIFY, HOST))
    assert "note" not in checks(verified)["effective"]


@over("debian")
def test_a_service_that_dies_is_noticed_although_it_started(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("dying")
    drive = Drive(workspace, "patchlab-clock")
    drive.applied(HOST)
    verified = drive.until_done(Stage.VERIFY, HOST)
    assert "patchlab-clock.service" in failed(verified)
    undo_well(drive)
    assert fresh_lab.check(HOST, "systemctl is-active patchlab-clock").strip() == "active"


@over("debian")
def test_two_transactions_are_kept(fresh_lab: Lab, workspace: Path) -> None:
    drive = Drive(workspace, "patchlab-web")
    for number in range(1, 5):
        drive.transaction = f"t-{number}"
        drive.prepared(HOST)
        time.sleep(1.1)  # they are told apart by the second
    kept = fresh_lab.check(HOST, f"ls -d {KEPT}/t-*").split()
    assert kept == [f"{KEPT}/t-3", f"{KEPT}/t-4"]


def test_an_older_transaction_does_not_take_back_a_newer_one(
    fresh_lab: Lab, workspace: Path
) -> None:
    older = Drive(workspace, "patchlab-web")
    older.prepared(HOST)
    assert older.until_done(Stage.APPLY, HOST).status is OutcomeStatus.OK
    newer = "1.0-9"
    fresh_lab.check(
        HOST,
        "cd /tmp && mkdir -p w/DEBIAN && dpkg-query -s patchlab-web | grep -v ^Status"
        f" | sed 's/^Version.*/Version: {newer}/; /^Conffiles/,$d' >w/DEBIAN/control"
        " && dpkg-deb -b w w.deb >/dev/null && dpkg -i w.deb >/dev/null",
    )
    done = older.until_done(Stage.UNDO, HOST)
    assert done.status is OutcomeStatus.FAILED
    assert done.reason.startswith("changed again since")
    assert newer in fresh_lab.check(HOST, "dpkg-query -W patchlab-web")


@over("debian")
def test_an_undo_that_failed_is_tried_again_by_a_later_attempt(
    fresh_lab: Lab, workspace: Path
) -> None:
    drive = Drive(workspace, "patchlab-web")
    drive.prepared(HOST)
    assert drive.until_done(Stage.APPLY, HOST).status is OutcomeStatus.OK
    fresh_lab.check(HOST, f"mv {KEPT}/t-1/old /root/aside")
    assert drive.until_done(Stage.UNDO, HOST).status is OutcomeStatus.FAILED
    fresh_lab.check(HOST, f"mv /root/aside {KEPT}/t-1/old")
    assert drive.until_done(Stage.UNDO, HOST).status is OutcomeStatus.FAILED
    drive.attempt = 2
    assert drive.until_done(Stage.UNDO, HOST).status is OutcomeStatus.OK
    assert drive.until_done(Stage.VERIFY_UNDO, HOST).status is OutcomeStatus.OK
    assert version(fresh_lab, "patchlab-web") == "1.0-1"


@over("debian")
def test_the_claim_of_a_run_that_is_over_holds_nobody_back(fresh_lab: Lab, workspace: Path) -> None:
    first = Drive(workspace, "patchlab-web")
    first.prepared(HOST)
    second = Drive(workspace, "patchlab-web")
    second.run, second.transaction = "r-second", "t-2"
    refused = second.once(Stage.PREFLIGHT, HOST)
    assert refused.status is OutcomeStatus.FAILED
    assert "r-test works on this host" in refused.reason
    second.over = (first.run,)
    assert second.once(Stage.PREFLIGHT, HOST).status is OutcomeStatus.OK
    late = first.once(Stage.APPLY, HOST)
    assert late.status is OutcomeStatus.FAILED
    assert "r-second works on this host" in late.reason


def test_many_hosts_are_one_shard(fresh_lab: Lab, workspace: Path) -> None:
    drive = Drive(workspace, "patchlab-web")
    hosts = [host.name for host in drive.plan.body.hosts if host.ring == "staging"]
    executor = drive.executor()
    executor.start(drive.shard(Stage.PREFLIGHT, *hosts))
    outcomes = wait(executor)
    assert {host: outcome.status for host, outcome in outcomes.items()} == dict.fromkeys(
        hosts, OutcomeStatus.OK
    )
