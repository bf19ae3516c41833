"""The lab itself: real hosts, a signed repository, good and bad updates."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faults
import pytest

from patchctl.errors import ConflictError, NotFoundError
from patchctl.lab import fleet, hosts
from patchctl.lab.engine import LABEL
from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab


def ansible(workspace: Path, command: str, pattern: str = "all") -> dict[str, str]:
    """Run a raw command over ssh as any user of Ansible does; return the answers by host."""
    program = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [program, "-i", workspace / "inventory", pattern, "-T", "5", "-m", "raw", "-a", command],
        capture_output=True,
        text=True,
        check=False,
        # A kept connection would outlive the faults that the tests make, and hang.
        env=os.environ | {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no"},
    )
    answers = re.findall(
        r"^(\S+) \| \S+ \| rc=0 >>\n(.*?)\n(?=\S+ \| |\Z)", done.stdout, re.M | re.S
    )
    return {host: text.strip().splitlines()[0] for host, text in answers}


def pending(lab: Lab, host: str) -> dict[str, str]:
    """Return package -> candidate, and the repositories of the updates."""
    out = lab.check(host, "apt-get update -qq && apt-get -s dist-upgrade")
    return {
        name: f"{version} {origin}"
        for name, version, origin in re.findall(
            r"^Inst (\S+) (?:\[\S+\] )?\((\S+) (\S+?):", out, re.M
        )
    }


def web(lab: Lab, host: str) -> str:
    """Return the body of the host's web service, or ""."""
    return lab.exec(
        host,
        'python3 -c "import urllib.request as u; '
        "print(u.urlopen('http://127.0.0.1:8080/', timeout=5).read().decode())\"",
    ).out.strip()


def upgrade(lab: Lab, host: str, *packages: str) -> int:
    """Upgrade these packages and return the exit code of apt-get."""
    order = f"DEBIAN_FRONTEND=noninteractive apt-get -qq -y install {' '.join(packages)}"
    return lab.exec(host, f"apt-get update -qq && {order}").rc


def test_plain_ansible_reaches_every_host_and_becomes_root(lab: Lab) -> None:
    assert ansible(lab.workspace, "id -u") == {host.name: "0" for host in lab.hosts()}


def test_hosts_are_told_apart_by_their_machine_id(lab: Lab) -> None:
    ids = ansible(lab.workspace, "cat /etc/machine-id")
    assert len(ids) == len(set(ids.values())) == len(lab.hosts())


def test_hosts_are_healthy_before_anything_happens(lab: Lab) -> None:
    assert lab.exec("canary-1", "systemctl is-system-running").out == "running\n"
    assert web(lab, "canary-1") == "patchlab-web 1.0-1"


def test_real_security_updates_pend_beside_the_labs_own(lab: Lab) -> None:
    updates = pending(lab, "staging-1")
    assert updates["patchlab-web"] == "1.0-2 Debian-Security"
    assert updates["patchlab-docs"] == "1.0-2 Debian"
    real = [origin for name, origin in updates.items() if not name.startswith("patchlab-")]
    assert real
    assert all(origin.endswith("Debian-Security") for origin in real)


def test_updates_come_without_a_network(fresh_lab: Lab) -> None:
    faults.cut_network(fresh_lab, "staging-1")
    assert upgrade(fresh_lab, "staging-1", "patchlab-web") == 0
    assert web(fresh_lab, "staging-1") == "patchlab-web 1.0-2"
    faults.heal_network(fresh_lab, "staging-1")
    assert ansible(fresh_lab.workspace, "id -u", "staging-1") == {"staging-1": "0"}


def test_a_changed_repository_is_refused(fresh_lab: Lab) -> None:
    script = (
        "cp -r /srv/patchlab/apt /tmp/apt && cd /tmp/apt/dists/bookworm-security && "
        "sed -i s/Debian-Security/Debian-Insecurity/ InRelease && "
        "sed -i s,/srv/patchlab/apt,/tmp/apt, /etc/apt/sources.list && apt-get update"
    )
    result = fresh_lab.exec("staging-1", script)
    assert "BADSIG" in result.out + result.err


def test_an_update_is_seen_only_after_it_was_published_and_looked_for(fresh_lab: Lab) -> None:
    assert "1.0-3" not in pending(fresh_lab, "staging-1")["patchlab-web"]
    fresh_lab.publish("bad-web")
    policy = "apt-cache policy patchlab-web"
    assert "1.0-3" not in fresh_lab.exec("staging-1", policy).out
    assert pending(fresh_lab, "staging-1")["patchlab-web"] == "1.0-3 Debian-Security"
    fresh_lab.withdraw("bad-web")
    assert pending(fresh_lab, "staging-1")["patchlab-web"] == "1.0-2 Debian-Security"


def test_the_bad_update_installs_well_and_stops_answering(fresh_lab: Lab) -> None:
    fresh_lab.publish("bad-web")
    assert upgrade(fresh_lab, "staging-1", "patchlab-web") == 0
    assert web(fresh_lab, "staging-1") == ""
    assert upgrade(fresh_lab, "staging-1", "--allow-downgrades", "patchlab-web=1.0-1") == 0
    assert web(fresh_lab, "staging-1") == "patchlab-web 1.0-1"


def test_updates_that_go_wrong_in_their_own_ways(fresh_lab: Lab) -> None:
    fresh_lab.publish(
        "bad-postinst", "reboot-wanted", "new-dep", "removes", "conffile", "lib", "dying"
    )
    host = "production-3"
    plan = fresh_lab.check(host, "apt-get update -qq; apt-get -s dist-upgrade")
    assert "Inst patchlab-extra" in plan
    assert "Remv patchlab-legacy" in plan

    assert upgrade(fresh_lab, host, "patchlab-hook") == 100
    assert "iF" in fresh_lab.exec(host, "dpkg-query -W -f '${db:Status-Abbrev}' patchlab-hook").out

    assert upgrade(fresh_lab, "staging-1", "patchlab-boot", "patchlab-lib", "patchlab-clock") == 0
    assert fresh_lab.exec("staging-1", "cat /run/reboot-required.pkgs").out == "patchlab-boot\n"
    stale = "grep -l 'libpatchlab.so.1 (deleted)' /proc/[0-9]*/maps | wc -l"
    assert fresh_lab.exec("staging-1", stale).out == "1\n"
    died = "sleep 2; systemctl is-failed patchlab-clock.service"
    assert fresh_lab.exec("staging-1", died).out == "failed\n"


def test_one_host_has_a_configuration_file_changed_by_hand(lab: Lab) -> None:
    changed = "dpkg -V patchlab-conf | wc -l"
    assert lab.exec("production-3", changed).out == "1\n"
    assert lab.exec("production-2", changed).out == "0\n"


def test_old_versions_are_in_the_repository_in_the_cache_or_nowhere(lab: Lab) -> None:
    available = "apt-cache madison patchlab-{0}; ls /var/cache/apt/archives/patchlab-{0}_*.deb"
    assert "1.0-1" in lab.exec("canary-1", available.format("web")).out
    assert "1.0-1_all.deb" in lab.exec("canary-1", available.format("app")).out
    assert lab.exec("canary-1", available.format("hook")).out == ""


def test_changelogs_name_what_a_version_fixes(fresh_lab: Lab) -> None:
    upgrade(fresh_lab, "staging-1", "patchlab-web")
    log = fresh_lab.exec("staging-1", "zcat /usr/share/doc/patchlab-web/changelog.Debian.gz").out
    assert "CVE-2099-10001" in log


def test_a_reboot_keeps_the_host_and_changes_its_boot(fresh_lab: Lab) -> None:
    host = fresh_lab.host("staging-1")
    started = "cut -d' ' -f22 /proc/1/stat"
    before = fresh_lab.check(host.name, f"touch /root/kept; {started}")
    fresh_lab.exec(host.name, "systemctl reboot")
    faults.wait_down(fresh_lab, host.name, before)
    hosts.wait_ready(fresh_lab.engine, host.container)
    assert fresh_lab.check(host.name, f"ls /root/kept >/dev/null && {started}") != before
    assert ansible(fresh_lab.workspace, "id -u", host.name) == {host.name: "0"}


def test_a_held_package_lock_stops_apt_until_it_is_free(fresh_lab: Lab) -> None:
    faults.hold_package_lock(fresh_lab, "staging-1")
    assert upgrade(fresh_lab, "staging-1", "patchlab-web") == 100
    faults.free_package_lock(fresh_lab, "staging-1")
    assert upgrade(fresh_lab, "staging-1", "patchlab-web") == 0


def test_a_full_disk_is_full(fresh_lab: Lab) -> None:
    with pytest.raises(ValueError, match="machine's own"):
        faults.fill_disk(fresh_lab, "staging-1", "/var")
    faults.small_disk(fresh_lab, "staging-1", "/var/cache/apt/archives", 8)
    faults.fill_disk(fresh_lab, "staging-1", "/var/cache/apt/archives")
    assert fresh_lab.exec("staging-1", "echo x >/var/cache/apt/archives/x").rc != 0
    assert ansible(fresh_lab.workspace, "id -u", "staging-1") == {"staging-1": "0"}


@pytest.mark.parametrize(
    "fault", [faults.stop_sshd, faults.change_host_key, faults.refuse_key, faults.pause, Lab.stop]
)
def test_a_host_that_cannot_be_reached(fresh_lab: Lab, fault: object) -> None:
    assert callable(fault)
    fault(fresh_lab, "staging-1")
    assert ansible(fresh_lab.workspace, "id -u", "staging-1,canary-1") == {"canary-1": "0"}


def test_a_reboot_renews_what_runs_and_keeps_what_is_installed(fresh_lab: Lab) -> None:
    start = "cut -d' ' -f22 /proc/1/stat; touch /var/lib/kept; ls /var/lib/kept"
    before = fresh_lab.check("staging-1", start).split()
    assert fresh_lab.restart("staging-1") == 1
    after = fresh_lab.check("staging-1", start).split()
    assert after[0] != before[0] and after[1] == before[1]
    assert ansible(fresh_lab.workspace, "id -u", "staging-1") == {"staging-1": "0"}
    with pytest.raises(NotFoundError, match="has no host nobody"):
        fresh_lab.restart("staging-1", "nobody")


def test_a_wrong_clock_changes_the_output_of_date(fresh_lab: Lab) -> None:
    faults.wrong_clock(fresh_lab, "staging-1", -7200)
    seen = int(fresh_lab.check("staging-1", "date +%s"))
    true = int(fresh_lab.check("staging-1", "/usr/bin/date +%s"))
    assert 7195 <= true - seen <= 7205


def test_labs_stand_side_by_side_and_leave_no_trace(lab: Lab, tmp_path: Path) -> None:
    names = [f"{lab.name}-a", f"{lab.name}-b"]
    with ThreadPoolExecutor() as pool:
        others = list(
            pool.map(
                lambda name: fleet.up(name, 1, "debian", tmp_path / name, print, os.environ), names
            )
        )
    try:
        addresses = [host.address for other in [lab, *others] for host in other.hosts()]
        assert len(addresses) == len(set(addresses))
        for other in others:
            assert ansible(other.workspace, "id -u") == {"staging-1": "0"}
        with pytest.raises(ConflictError, match="exists already"):
            fleet.up(names[0], 1, "debian", tmp_path / "third", print, os.environ)
        assert not (tmp_path / "third").exists()
    finally:
        for name in names:
            fleet.down(name, print, os.environ)
    for kind in ("container", "network", "volume"):
        for name in names:
            assert lab.engine.listed(kind, f"{LABEL}={name}") == []
    assert list(tmp_path.iterdir()) == []
    assert ansible(lab.workspace, "id -u", "canary-1") == {"canary-1": "0"}


def test_a_lab_that_fails_half_way_leaves_no_trace(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    name = f"{lab.name}-half"
    monkeypatch.setattr(hosts, "wait_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fleet.up(name, 2, "debian", tmp_path / name, print, os.environ)
    for kind in ("container", "network", "volume"):
        assert lab.engine.listed(kind, f"{LABEL}={name}") == []
    assert list(tmp_path.iterdir()) == []


def test_status_has_the_shape_that_scripts_rely_on(lab: Lab) -> None:
    program = Path(sys.executable).with_name("patchctl")
    done = subprocess.run(
        [program, "lab", "status", "--name", lab.name, "-o", "json"],
        capture_output=True,
        check=True,
    )
    first = json.loads(done.stdout)["hosts"][0]
    assert {key: first[key] for key in ("name", "port", "image", "state")} == {
        "name": "staging-1",
        "port": 2222,
        "image": "debian",
        "state": "running",
    }
    assert re.fullmatch(r"127\.0\.\d+\.1", first["address"])
