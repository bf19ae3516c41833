"""Silence is not health: a missing, short or false answer never counts as success."""

import threading
import time
from pathlib import Path

import faults
import pytest
from conftest import WatchedLab, copy_of
from hostside import Drive, checks, failed, well
from managed import config_file, cut_off, is_rpm, over, version

from patchctl.lab.handle import Lab
from patchctl.models.rollout import HostOutcome, OutcomeStatus, Stage
from patchctl.protocol.payloads import ATTACH_S

pytestmark = pytest.mark.lab


@pytest.fixture
def root(fresh_lab: WatchedLab, tmp_path: Path) -> Path:
    """A workspace; only the one host is made again after the test."""
    fresh_lab.touched.add(HOST)
    return copy_of(fresh_lab, tmp_path / "workspace")


HOST = "staging-1"
KEPT = "/var/lib/patchctl"
SERVICE = "patchlab-clock.service"
FULL = "No space left on device"


def small_base(lab: Lab, root: Path) -> Drive:
    """A plan for a host whose /var/lib/patchctl is a small file system."""
    faults.small_disk(lab, HOST, KEPT, 64)
    (root / "known_hosts").write_bytes((lab.workspace / "known_hosts").read_bytes())
    return Drive(root, "patchlab-web", limit=HOST)


class TestFullDisk:
    @over("debian")
    def test_a_dead_service_is_not_well_although_nothing_can_be_written(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = small_base(fresh_lab, root)
        old = version(fresh_lab, HOST, "patchlab-web")
        drive.applied(HOST)
        well(drive.until_done(Stage.RESTART, HOST))
        faults.fill_disk(fresh_lab, HOST, KEPT)
        fresh_lab.check(HOST, f"systemctl stop {SERVICE}")
        reason = failed(drive.until_done(Stage.VERIFY, HOST))
        assert "ran before and do not run now" in reason and SERVICE in reason
        # What prepare laid aside is enough to go back, too.
        well(drive.until_done(Stage.UNDO, HOST))
        assert version(fresh_lab, HOST, "patchlab-web") == old
        assert SERVICE in failed(drive.until_done(Stage.VERIFY_UNDO, HOST))
        fresh_lab.check(HOST, f"systemctl start {SERVICE}")
        well(drive.until_done(Stage.VERIFY_UNDO, HOST))

    @over("debian")
    def test_a_good_update_is_well_although_the_disk_filled_up(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = small_base(fresh_lab, root)
        drive.applied(HOST)
        faults.fill_disk(fresh_lab, HOST, KEPT)
        well(drive.until_done(Stage.RESTART, HOST))
        verified = well(drive.until_done(Stage.VERIFY, HOST))
        assert verified.evidence["holds"] is False

    @over("debian")
    def test_no_stage_goes_on_where_even_that_is_gone(self, fresh_lab: Lab, root: Path) -> None:
        drive = small_base(fresh_lab, root)
        well(drive.once(Stage.PREFLIGHT, HOST))
        filled = f"rm -f {KEPT}/reserve; cat /dev/zero >>{KEPT}/patchlab-filler; true"
        empty = f"rm {KEPT}/patchlab-filler"
        fresh_lab.exec(HOST, filled)
        assert FULL in failed(drive.once(Stage.PREPARE, HOST))
        fresh_lab.check(HOST, empty)
        drive.transaction = "t-2"
        drive.prepared(HOST)
        old = version(fresh_lab, HOST, "patchlab-web")
        fresh_lab.exec(HOST, filled)
        assert FULL in failed(drive.until_done(Stage.APPLY, HOST))
        assert version(fresh_lab, HOST, "patchlab-web") == old
        fresh_lab.check(HOST, empty)
        well(drive.until_done(Stage.APPLY, HOST))
        fresh_lab.exec(HOST, filled)
        for stage in (Stage.RESTART, Stage.VERIFY, Stage.UNDO, Stage.VERIFY_UNDO):
            assert FULL in failed(drive.until_done(stage, HOST)), stage
        fresh_lab.check(HOST, empty)
        well(drive.until_done(Stage.UNDO, HOST))
        well(drive.until_done(Stage.VERIFY_UNDO, HOST))
        assert version(fresh_lab, HOST, "patchlab-web") == old

    def test_the_reason_is_the_line_that_tells_the_cause(self, fresh_lab: Lab, root: Path) -> None:
        fresh_lab.publish("big")
        faults.small_disk(fresh_lab, HOST, "/usr/share/patchlab-big", 8)
        (root / "known_hosts").write_bytes((fresh_lab.workspace / "known_hosts").read_bytes())
        drive = Drive(root, "patchlab-big", limit=HOST)
        drive.prepared(HOST)
        reason = failed(drive.until_done(Stage.APPLY, HOST))
        assert FULL in reason and "patchlab-big" in reason
        assert "Sub-process" not in reason

    def test_a_script_of_the_package_says_why_itself(self, fresh_lab: Lab, root: Path) -> None:
        fresh_lab.publish("bad-postinst")
        drive = Drive(root, "patchlab-hook", limit=HOST)
        drive.prepared(HOST)
        reason = failed(drive.until_done(Stage.APPLY, HOST))
        assert "patchlab-hook: cannot read its data" in reason
        assert "post-installation script" in reason


@over("debian")
class TestWhatIsShort:
    """Lists on the host that were shortened, by a full disk or by a person."""

    @pytest.mark.parametrize("name", ["services", "listeners", "installed", "auto"])
    def test_a_list_of_before_that_lost_lines_is_not_compared_with(
        self, fresh_lab: Lab, root: Path, name: str
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.applied(HOST)
        fresh_lab.check(HOST, f": >{KEPT}/t-1/before/{name}")
        assert "is damaged" in failed(drive.until_done(Stage.VERIFY, HOST))

    @pytest.mark.parametrize(
        ("tool", "stage"),
        [("systemctl", Stage.PREPARE), ("marks", Stage.PREPARE), ("grep", Stage.VERIFY)],
    )
    def test_a_tool_that_says_nothing_is_no_good_news(
        self, fresh_lab: Lab, root: Path, tool: str, stage: Stage
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        if tool == "marks":
            tool = "dnf" if is_rpm(fresh_lab, HOST) else "apt-mark"
        if stage is Stage.VERIFY:
            drive.applied(HOST)
        else:
            well(drive.once(Stage.PREFLIGHT, HOST))
        fresh_lab.check(
            HOST,
            f"cd /usr/local/bin; printf '#!/bin/sh\\nexit 1\\n' >{tool}; chmod 755 {tool}",
        )
        failed(drive.until_done(stage, HOST))
        fresh_lab.check(HOST, f"rm /usr/local/bin/{tool}")


@over("debian")
class TestTime:
    def test_a_clock_that_is_set_back_in_verify_undoes_nothing(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.applied(HOST)
        well(drive.until_done(Stage.RESTART, HOST))
        fresh_lab.check(HOST, "systemctl stop patchlab-web.socket")
        outcomes: list[HostOutcome] = []
        caller = threading.Thread(target=lambda: outcomes.append(drive.once(Stage.VERIFY, HOST)))
        caller.start()
        while fresh_lab.exec(HOST, f"ls -d {KEPT}/t-1/call.*").rc != 0:
            time.sleep(0.2)
        faults.wrong_clock(fresh_lab, HOST, -7_200)
        fresh_lab.check(HOST, "systemctl start patchlab-web.socket")
        caller.join(ATTACH_S + 60)
        assert not caller.is_alive()
        assert outcomes[0].status in (OutcomeStatus.OK, OutcomeStatus.RUNNING), outcomes[0]
        # Nothing of the call is left on the host.
        assert fresh_lab.check(HOST, f"ls -d {KEPT}/t-1/call.* 2>/dev/null || true") == ""
        well(drive.until_done(Stage.VERIFY, HOST))

    def test_many_slow_probes_are_asked_side_by_side(self, fresh_lab: Lab, root: Path) -> None:
        add_probes(root, 30, "sleep 8")
        drive = Drive(root, "patchlab-web", limit=HOST)
        began = time.monotonic()
        drive.applied(HOST)
        verified = well(drive.until_done(Stage.VERIFY, HOST))
        assert sum(name.startswith("probe slow") for name in checks(verified)) == 30
        assert time.monotonic() - began < 30 * 8

    def test_probes_that_do_not_answer_in_time_have_failed(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        add_probes(root, 30, "test ! -e /root/hang || sleep 60")
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.applied(HOST)
        fresh_lab.check(HOST, "touch /root/hang")
        reason = failed(drive.until_done(Stage.VERIFY, HOST, within_s=400))
        assert "probe slow-1: command: no answer within 10 s" in reason


def add_probes(root: Path, number: int, command: str) -> None:
    """Add so many probes, each with this command."""
    path = root / "patchctl.yml"
    probes = "".join(
        f"  - {{name: slow-{n}, kind: command, target: '{command}', within: 5s}}\n"
        for n in range(1, number + 1)
    )
    text = path.read_text()
    assert "\nprobes:\n" in text
    path.write_text(text.replace("\nprobes:\n", f"\nprobes:\n{probes}"))


@over("debian")
class TestLaterEdits:
    """An undo removes nothing that somebody edited after the update."""

    def test_a_later_edit_stays_and_the_file_of_before_is_kept(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        fresh_lab.publish("conffile")
        path = config_file(fresh_lab, HOST, "patchlab-conf")
        fresh_lab.check(HOST, f"echo 'workers = 3' >{path}")
        other = "/etc/patchlab/of-the-site"
        fresh_lab.check(HOST, f"echo before >{other}")
        listing = "find /etc -newer /root/stamp -type f | grep -v -e ld.so.cache -e systemd || true"
        drive = Drive(root, "patchlab-conf", limit=HOST)
        drive.applied(HOST)
        fresh_lab.check(
            HOST, f"echo 'workers = 77' >{path}; echo after >{other}; touch /root/stamp"
        )
        undone = well(drive.until_done(Stage.UNDO, HOST))
        copy = f"{KEPT}/t-1/kept{path}"
        assert undone.evidence["edited"] == [{"path": path, "copy": copy}]
        assert fresh_lab.check(HOST, f"cat {path} {other}") == "workers = 77\nafter\n"
        assert fresh_lab.check(HOST, f"cat {copy}") == "workers = 3\n"
        assert fresh_lab.check(HOST, listing) == ""
        well(drive.until_done(Stage.VERIFY_UNDO, HOST))
        # It outlives the transactions after it, until somebody cleans up.
        for number in range(2, 5):
            drive.transaction = f"t-{number}"
            drive.prepared(HOST)
        assert fresh_lab.check(HOST, f"cat {copy}") == "workers = 3\n"

    def test_what_the_update_itself_changed_comes_back(self, fresh_lab: Lab, root: Path) -> None:
        fresh_lab.publish("conffile")
        path = config_file(fresh_lab, HOST, "patchlab-conf")
        before = fresh_lab.check(HOST, f"cat {path}")
        drive = Drive(root, "patchlab-conf", limit=HOST)
        applied = drive.applied(HOST)
        assert applied.evidence["config"] == [{"path": path}]
        undone = well(drive.until_done(Stage.UNDO, HOST))
        assert "edited" not in undone.evidence
        assert fresh_lab.check(HOST, f"cat {path}") == before

    def test_a_file_that_was_deleted_before_and_made_anew_after_stays(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        fresh_lab.publish("conffile")
        path = config_file(fresh_lab, HOST, "patchlab-conf")
        fresh_lab.check(HOST, f"rm {path}")
        drive = Drive(root, "patchlab-conf", limit=HOST)
        drive.applied(HOST)
        fresh_lab.check(HOST, f"echo mine >{path}")
        undone = well(drive.until_done(Stage.UNDO, HOST))
        assert undone.evidence["edited"] == [{"path": path, "copy": ""}]
        assert fresh_lab.check(HOST, f"cat {path}") == "mine\n"


@over("debian")
class TestEditsAtOddTimes:
    def test_an_edit_between_prepare_and_the_update_is_what_comes_back(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        fresh_lab.publish("conffile")
        path = config_file(fresh_lab, HOST, "patchlab-conf")
        drive = Drive(root, "patchlab-conf", limit=HOST)
        drive.prepared(HOST)
        fresh_lab.check(HOST, f"echo 'workers = 5' >{path}")
        well(drive.until_done(Stage.APPLY, HOST))
        undone = well(drive.until_done(Stage.UNDO, HOST))
        assert "edited" not in undone.evidence
        assert fresh_lab.check(HOST, f"cat {path}") == "workers = 5\n"

    def test_where_nobody_wrote_down_how_the_update_left_it_everything_stays(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        fresh_lab.publish("conffile")
        path = config_file(fresh_lab, HOST, "patchlab-conf")
        fresh_lab.check(HOST, f"echo 'workers = 3' >{path}")
        drive = Drive(root, "patchlab-conf", limit=HOST)
        drive.applied(HOST)
        fresh_lab.check(HOST, f"rm {KEPT}/t-1/before/conffiles/noted; echo mine >{path}")
        undone = well(drive.until_done(Stage.UNDO, HOST))
        assert undone.evidence["edited"] == [{"path": path, "copy": f"{KEPT}/t-1/kept{path}"}]
        assert fresh_lab.check(HOST, f"cat {path}") == "mine\n"

    def test_names_that_systemd_makes_are_no_obstacle(self, fresh_lab: Lab, root: Path) -> None:
        name = r"/etc/systemd/system/srv-my\x2ddata.mount"
        fresh_lab.check(HOST, f"echo x >'{name}'")
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.applied(HOST)
        well(drive.until_done(Stage.UNDO, HOST))
        assert fresh_lab.check(HOST, f"cat '{name}'") == "x\n"


class TestStoppedScripts:
    """A script that stops for a time (a frozen machine, a stuck disk) and continues with old
    orders."""

    def _stopped(self, lab: Lab, drive: Drive, stage: Stage, lock: str) -> threading.Thread:
        """A call that stops before it takes the lock, which somebody else takes meanwhile."""
        lab.check(
            HOST,
            f"setsid sh -c 'exec 5>>{lock}; flock 5; echo $$ >/run/held; exec sleep 300'"
            " >/dev/null 2>&1 </dev/null & until [ -s /run/held ]; do sleep 0.1; done",
        )
        caller = threading.Thread(target=lambda: drive.once(stage, HOST))
        caller.start()
        waiting = "pgrep -f 'flock -w [0-9]* [78]'"
        while lab.exec(HOST, waiting).rc != 0:
            time.sleep(0.1)
        # The waiting `flock` and the shells above it.
        lab.check(
            HOST,
            f'p=$({waiting} | head -n 1); while [ "$p" -gt 1 ]; do case $(cat /proc/$p/comm) in'
            " sh | flock | gzip | base64 | head) kill -STOP $p; echo $p >>/run/stopped ;; esac;"
            " p=$(sed 's/.*) //' /proc/$p/stat | cut -d ' ' -f 2); done;"
            " kill $(cat /run/held)",
        )
        return caller

    def _goes_on(self, lab: Lab) -> None:
        lab.check(HOST, "kill -CONT $(cat /run/stopped)")
        time.sleep(5)

    @pytest.mark.proof
    def test_an_update_that_was_undone_meanwhile_is_not_begun(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.prepared(HOST)
        old = version(fresh_lab, HOST, "patchlab-web")
        caller = self._stopped(fresh_lab, drive, Stage.APPLY, f"{KEPT}/start.lock")
        caller.join(150)
        well(drive.until_done(Stage.UNDO, HOST))
        well(drive.until_done(Stage.VERIFY_UNDO, HOST))
        self._goes_on(fresh_lab)
        assert version(fresh_lab, HOST, "patchlab-web") == old
        assert "state ended" in fresh_lab.check(HOST, f"cat {KEPT}/claim")


class TestTrouble:
    def test_a_killed_transaction_is_repaired_by_the_next_call(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        fresh_lab.publish("slow")
        drive = Drive(root, "patchlab-slow", limit=HOST)
        drive.prepared(HOST)
        executor = drive.executor()
        executor.start(drive.shard(Stage.APPLY, HOST))
        while not cut_off(fresh_lab, HOST, "patchlab-slow"):
            time.sleep(0.2)
        fresh_lab.check(HOST, "pkill -KILL -f '[s]cript apply t-1'")
        executor.stop()
        repaired = well(drive.until_done(Stage.APPLY, HOST))
        assert "interrupted" in repaired.evidence["repaired"]

    @pytest.mark.proof
    def test_systemd_that_hangs_once_does_not_cost_the_host(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        drive.prepared(HOST)
        fresh_lab.check(
            HOST,
            "printf '#!/bin/sh\\nexec sleep 600\\n' >/usr/local/bin/systemd-run;"
            " chmod 755 /usr/local/bin/systemd-run",
        )
        assert drive.once(Stage.APPLY, HOST).status is not OutcomeStatus.OK
        fresh_lab.check(HOST, "rm /usr/local/bin/systemd-run")
        well(drive.until_done(Stage.APPLY, HOST))

    def test_a_controller_that_is_replaced_in_prepare_waits_for_the_call_before(
        self, fresh_lab: Lab, root: Path
    ) -> None:
        drive = Drive(root, "patchlab-web", limit=HOST)
        well(drive.once(Stage.PREFLIGHT, HOST))
        fresh_lab.check(
            HOST,
            'printf \'#!/bin/sh\\ncase "$*" in *-s*install*) sleep 20 ;; esac\\n'
            'exec /usr/bin/apt-get "$@"\\n\' >/usr/local/bin/apt-get;'
            " chmod 755 /usr/local/bin/apt-get",
        )
        first = drive.executor()
        first.start(drive.shard(Stage.PREPARE, HOST))
        while fresh_lab.exec(HOST, f"test -f {KEPT}/t-1/before/whole").rc != 0:
            time.sleep(0.2)
        first.stop()
        assert drive.once(Stage.PREPARE, HOST).status is OutcomeStatus.RUNNING
        assert drive.once(Stage.RELEASE, HOST).status is OutcomeStatus.RUNNING
        fresh_lab.check(HOST, "rm /usr/local/bin/apt-get")
        well(drive.until_done(Stage.PREPARE, HOST))
