"""The doctor's checks from reasons, facts and versions. tests/integration has hosts and ssh."""

import dataclasses
import json
import os
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from patchctl.adapters import git
from patchctl.adapters.ansible import reasons
from patchctl.adapters.machine import Machine, Space
from patchctl.adapters.memory import Memory
from patchctl.cli.app import main
from patchctl.discovery.collect import parse, problem
from patchctl.models.doctor import Area, Check, CheckStatus, DoctorReport
from patchctl.models.facts import NOT_ROOT, CompetingUpdater, FileSystem, HostFacts, PackageManager
from patchctl.models.policy import UpdaterPolicy
from patchctl.models.reach import Reason, ReasonCode, stage_of
from patchctl.models.settings import AnsibleSettings
from patchctl.models.snapshot import HostResult, HostStatus
from patchctl.report import doctor_view
from patchctl.wiring.ansible_cfg import not_used
from patchctl.workflows.discovery.discover import Look
from patchctl.workflows.doctor import hosts as doctor_hosts
from patchctl.workflows.doctor import machine as doctor_machine
from patchctl.workflows.doctor import workspace as doctor_workspace

ROOT = Path(__file__).parents[4]
ANSWER = (ROOT / "tests/data/discovery/debian12.txt").read_text()
OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED
DISK = FileSystem(mount="/", kind="ext4", size_kib=9**9, free_kib=9**8, free_inodes=9**6)


def facts(**other: object) -> HostFacts:
    """Return the checks of a host that is healthy except for `other`."""
    sound = {
        "clock_skew_s": 0, "competing_updaters": (), "package_lock_held": False, "notes": (),
        "file_systems": (DISK,),
    }  # fmt: skip
    return msgspec.structs.replace(parse(ANSWER, 0), **{**sound, **other})


def of(look: Look, policy: UpdaterPolicy = UpdaterPolicy.REFUSE) -> dict[str, Check]:
    return {check.name: check for check in doctor_hosts.checks(look, policy)}


def answered(policy: UpdaterPolicy = UpdaterPolicy.REFUSE, **other: object) -> dict[str, Check]:
    result = HostResult(name="web1", status=HostStatus.OK, facts=facts(**other))
    return of(Look(result=result), policy)


def ended(reason: Reason, status: HostStatus = HostStatus.UNREACHABLE) -> dict[str, Check]:
    result = HostResult(name="web1", status=status, reason=reason.text)
    return of(Look(result=result, code=reason.code))


class TestTheWayToAHost:
    def test_a_host_that_is_well_passes_everything(self) -> None:
        checks = answered()
        assert tuple(checks) == (
            *("resolve", "connect", "host-key", "login", "privilege", "answer"),
            *("package-manager", "disk", "clock", "updaters"),
        )
        assert {check.status for check in checks.values()} == {OK}

    @pytest.mark.parametrize(
        ("message", "name"),
        [
            ("ssh: Could not resolve hostname web1: Name or service not known", "resolve"),
            ("connect to host 10.0.0.1 port 22: Connection refused", "connect"),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "host-key"),
            ("No ED25519 host key is known for web1", "host-key"),
            ("ops@web1: Permission denied (publickey).", "login"),
            ("Missing sudo password", "privilege"),
            ("Timed out after 60 second(s).", "answer"),
            ("Decryption failed (no vault secrets were found)", "inventory"),
        ],
    )
    def test_it_fails_where_it_ended_and_nowhere_else(self, message: str, name: str) -> None:
        failed = HostStatus.FAILED if name in ("privilege", "answer") else HostStatus.UNREACHABLE
        checks = ended(reasons.explain(message), failed)
        assert [check.name for check in checks.values() if check.status is FAIL] == [name]
        assert checks[name].hint
        names = list(checks)
        assert {checks[it].status for it in names[names.index(name) + 1 :]} == {SKIPPED}
        before = {checks[it].status for it in names[: names.index(name)]}
        # A host that did not answer in time may also have hung while ssh connected.
        assert before <= ({SKIPPED} if name == "answer" else {OK})

    def test_every_reason_has_its_place(self) -> None:
        codes = {code for _, _, code in reasons._KNOWN}
        assert codes | {
            ReasonCode.UNKNOWN, ReasonCode.TAKES_NO_PASSWORD,
            ReasonCode.INCOMPLETE, ReasonCode.NO_MANAGER, ReasonCode.NO_PACKAGES,
        } == set(ReasonCode)  # fmt: skip
        for _, words, code in reasons._KNOWN:
            failed = ended(Reason(code=code, text=words), HostStatus.FAILED)
            name = next(name for name, check in failed.items() if check.status is FAIL)
            assert name == stage_of(code).value, words

    def test_what_ssh_says_and_nobody_knows_is_the_connection(self) -> None:
        checks = ended(Reason(code=ReasonCode.UNKNOWN, text="something quite new"))
        assert (checks["connect"].status, checks["connect"].text) == (FAIL, "something quite new")

    def test_a_host_that_answered_with_too_little_is_not_unreachable(self) -> None:
        for other in ({"manager": PackageManager.NONE}, {"packages": ()}):
            reason = problem(facts(**other))
            assert reason is not None
            checks = ended(reason, HostStatus.FAILED)
            assert checks["answer"].status is OK
            assert (checks["package-manager"].status, checks["package-manager"].text) == (
                FAIL,
                reason.text,
            )


class TestWhatAHostSays:
    def test_root_is_needed(self) -> None:
        checks = answered(notes=(NOT_ROOT,))
        assert checks["privilege"].status is FAIL
        assert "ansible_become" in checks["privilege"].hint

    @pytest.mark.parametrize(
        ("mount", "kind", "free_mib", "inodes", "status"),
        [
            ("/", "ext4", 5000, 10**6, OK),
            ("/", "ext4", 900, 10**6, WARN),
            ("/var", "xfs", 100, 10**6, FAIL),
            ("/var", "ext4", 5000, 500, FAIL),
            ("/var", "ext4", 5000, 5000, WARN),
            ("/", "btrfs", 5000, 0, OK),  # counts no inodes
            ("/boot", "ext4", 150, 300, OK),
            ("/boot", "ext4", 97, 300, OK),
            ("/boot", "ext4", 95, 300, WARN),
            ("/boot", "ext4", 60, 300, WARN),
            ("/boot/efi", "vfat", 5, 0, OK),
        ],
    )
    def test_space(
        self, mount: str, kind: str, free_mib: int, inodes: int, status: CheckStatus
    ) -> None:
        file_system = FileSystem(
            mount=mount, kind=kind, size_kib=9**9, free_kib=free_mib * 1024, free_inodes=inodes
        )
        check = answered(file_systems=(DISK, file_system))["disk"]
        assert check.status is status
        assert status is OK or mount in check.text
        assert bool(check.hint) == (status is not OK)

    @pytest.mark.parametrize(
        ("skew", "status"), [(None, SKIPPED), (-3, OK), (31, WARN), (-301, FAIL), (86_400, FAIL)]
    )
    def test_clocks(self, skew: int | None, status: CheckStatus) -> None:
        assert answered(clock_skew_s=skew)["clock"].status is status

    @pytest.mark.parametrize(
        ("state", "policy", "status"),
        [
            ("enabled", UpdaterPolicy.REFUSE, FAIL),
            ("running", UpdaterPolicy.HOLD_FOR_RUN, WARN),
            ("enabled", UpdaterPolicy.WARN, WARN),
            ("installed", UpdaterPolicy.REFUSE, OK),
        ],
    )
    def test_a_competing_updater_counts_as_its_ring_says(
        self, state: str, policy: UpdaterPolicy, status: CheckStatus
    ) -> None:
        other = CompetingUpdater(name="unattended-upgrades", state=state)
        assert answered(policy, competing_updaters=(other,))["updaters"].status is status

    def test_a_package_operation_that_runs_is_told(self) -> None:
        assert answered(package_lock_held=True)["package-manager"].status is WARN


MACHINE = Machine(
    python=(3, 12, 1), ansible_core="2.20.0", ansible_runner="2.4.3", ansible_problem="",
    ssh="OpenSSH_9.2p1", agent_keys=None, git="2.39.5", clock_synchronised=True,
    locale="C.UTF-8", locale_problem="",
    space=Space(folder=Path("/srv"), free_bytes=1 << 40, free_inodes=None),
    memory=Memory(folder=Path("/run/user/1000"), kind="tmpfs"), memory_free=1 << 30,
)  # fmt: skip


class TestThisMachine:
    def test_one_that_has_all_is_well(self) -> None:
        statuses = {check.status for check in doctor_machine.checks(MACHINE, "podman")}
        assert statuses == {OK, SKIPPED}  # no agent is nothing wrong

    @pytest.mark.parametrize(
        ("change", "name", "status"),
        [
            ({"python": (3, 10, 9)}, "python", FAIL),
            ({"python": (3, 99, 0)}, "python", WARN),
            ({"ansible_core": "2.18.1"}, "ansible-core", FAIL),
            ({"ansible_core": "2.19.0rc1"}, "ansible-core", OK),
            ({"ansible_core": "3.0"}, "ansible-core", WARN),
            ({"ansible_core": ""}, "ansible-core", FAIL),
            ({"ansible_problem": "ansible-playbook is missing"}, "ansible-core", FAIL),
            ({"ansible_runner": "2.4.2"}, "ansible-runner", FAIL),
            ({"ssh": ""}, "ssh", FAIL),
            ({"agent_keys": -1}, "ssh-agent", WARN),
            ({"agent_keys": 0}, "ssh-agent", WARN),
            ({"agent_keys": 2}, "ssh-agent", OK),
            ({"git": ""}, "git", WARN),
            ({"clock_synchronised": False}, "time", WARN),
            ({"clock_synchronised": None}, "time", SKIPPED),
            ({"locale_problem": "it is not installed here"}, "locale", FAIL),
            ({"space": Space(folder=Path("/"), free_bytes=1000, free_inodes=9**9)}, "disk", FAIL),
            ({"space": Space(folder=Path("/"), free_bytes=1 << 40, free_inodes=9)}, "disk", FAIL),
            (
                {"space": Space(folder=Path("/"), free_bytes=1 << 30, free_inodes=9**9)},
                "disk",
                WARN,
            ),
            ({"memory": Memory(folder=None)}, "secrets", WARN),
            ({"memory_free": 1 << 20}, "secrets", WARN),
        ],
    )
    def test_what_is_wrong_is_named(
        self, change: dict[str, object], name: str, status: CheckStatus
    ) -> None:
        machine = dataclasses.replace(MACHINE, **change)  # type: ignore[arg-type]
        checks = {check.name: check for check in doctor_machine.checks(machine, "")}
        assert checks[name].status is status
        assert bool(checks[name].hint) == (status in (WARN, FAIL))

    def test_the_oldest_versions_are_those_of_the_package(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = {text.partition(">=")[0]: text.partition(">=")[2] for text in
                  [f"python{project['requires-python']}", *project["dependencies"]]}  # fmt: skip
        for name, known in (
            ("python", doctor_machine.PYTHON),
            ("ansible-core", doctor_machine.ANSIBLE_CORE),
            ("ansible-runner", doctor_machine.ANSIBLE_RUNNER),
        ):
            assert wanted[name] == ".".join(map(str, known[0]))


class TestTheWorkspace:
    def test_an_ansible_cfg_is_told_of(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Doctor and init report each setting that is not used, with what replaces it."""
        (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory=hosts\nremote_user=ops\nx=1\n")
        (tmp_path / "hosts").write_text("a\n")
        assert main(["-C", str(tmp_path), "init", "-o", "json"]) == 0
        line = "ansible.cfg:3: remote_user is not used; set ansible.user in patchctl.yml"
        output = capsys.readouterr()
        assert line in json.loads(output.out)["not_used"]
        assert line in output.err
        checks = doctor_workspace.not_used(not_used(tmp_path))
        assert [(check.subject, check.status) for check in checks] == [
            ("ansible.cfg:2", WARN),
            ("ansible.cfg:3", WARN),
            ("ansible.cfg", OK),
        ]

    def test_the_policy_is_due_every_four_months(self, tmp_path: Path) -> None:
        file = tmp_path / "patchctl.yml"
        file.write_text("")
        day = 86_400
        changed = 1_700_000_000
        os.utime(file, (changed, changed))

        def asked(folder: Path, *words: str) -> str:
            return git.ask(folder, os.environ, *words)

        early, late = (
            doctor_workspace.policy(tmp_path, file.name, changed + days * day, asked)
            for days in (122, 123)
        )
        assert (early.status, late.status) == (OK, WARN)
        assert "123 days ago, says the file system" in late.text

    def test_a_broken_file_does_not_end_the_checks(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "patchctl.yml").write_text("rinks: 1\nstate: [x]\n")
        code = main(["-q", "-C", str(tmp_path), "doctor", "-o", "json"])
        report = msgspec.json.decode(capsys.readouterr().out, type=DoctorReport)
        assert code == 1
        wrong = [it for it in report.checks if it.area is Area.WORKSPACE and it.status is FAIL]
        assert [it.name for it in wrong] == ["settings", "settings"]
        assert any("rinks" in it.text for it in wrong)
        assert {it.name for it in report.checks if it.area is Area.MACHINE} >= {"python", "ssh"}
        assert not [it for it in report.checks if it.area is Area.HOST]
        assert [path.name for path in tmp_path.iterdir()] == ["patchctl.yml"]

    def test_without_a_workspace_the_machine_is_checked(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["-q", "-C", str(tmp_path), "doctor"]) == 1
        shown = capsys.readouterr().out
        assert "python" in shown
        assert "no patchctl.yml" in shown
        assert main(["-q", "-C", str(tmp_path / "no"), "doctor"]) == 2

    def test_one_that_others_can_write_is_not_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "inventory").mkdir()
        source = tmp_path / "inventory/hosts"
        source.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        source.chmod(0o777)
        (tmp_path / "patchctl.yml").write_text("")
        assert main(["-q", "-C", str(tmp_path), "doctor"]) == 1
        shown = capsys.readouterr().out
        assert f"fail    owner            {source}: everybody can write it" in shown
        assert "chmod o-w" in shown
        assert not (tmp_path / "ran").exists()

    def test_secrets_are_for_one_pair_of_eyes(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        (tmp_path / "secret").chmod(0o644)
        settings = AnsibleSettings(private_key="nowhere", become_password_file="secret")
        checks = {check.name: check for check in doctor_workspace.secrets(tmp_path, settings, Path)}
        assert {check.status for check in checks.values()} == {FAIL}
        assert checks["ansible.become_password_file"].hint == f"chmod go= {tmp_path / 'secret'}"
        (tmp_path / "secret").chmod(0o600)
        checks = {check.name: check for check in doctor_workspace.secrets(tmp_path, settings, Path)}
        assert checks["ansible.become_password_file"].status is OK


def test_what_hosts_have_in_common_stands_once() -> None:
    names = [f"web{number}" for number in range(6)]
    checks = [
        Check(area=Area.HOST, subject=name, name="disk", status=FAIL, text="full", hint="room")
        for name in names[:5]
    ]
    well = Check(area=Area.HOST, subject="web5", name="disk", status=OK)
    report = DoctorReport(
        ok=False, elapsed_s=1.0, hosts=6, counts={OK: 1, WARN: 0, FAIL: 5, SKIPPED: 0},
        checks=(*checks, well),
    )  # fmt: skip
    assert [re.sub(" +", " ", line) for line in doctor_view.lines(report)] == [
        "HOSTS",
        " fail disk web0, web1, web2, web3 and 1 more: full",
        " -> room",
        " ok web5",
    ]
    assert len(doctor_view.lines(report, every=True)) == 1 + 5 * 2 + 1
    assert doctor_view.closing(report) == "6 checks, 6 hosts, 1.0 s: 5 to fix"
