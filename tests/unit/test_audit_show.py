"""`patchctl audit`: what people read, what scripts read, and the exit codes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters.database import Database
from patchctl.audit import words
from patchctl.audit.writer import AuditWriter
from patchctl.cli.app import main
from patchctl.errors import UsageError
from patchctl.models.audit import AuditRecord
from patchctl.models.rollout import (
    CommandKind,
    CommandTaken,
    ControllerTook,
    Event,
    HostMoved,
    HostState,
    OutcomeStatus,
    PlanTrust,
    ProcessIdentity,
    RingMoved,
    RingState,
    RunCreated,
    RunMoved,
    RunState,
    ShardOver,
    ShardProcess,
    ShardStarted,
    Stage,
    StageAnswered,
    WaveStarted,
)
from patchctl.workflows import audit

PROCESS = ProcessIdentity(pid=77, pgid=77, start=1, boot_id="b")
PLAN = "sha256:0123456789abcdef"

IN_WORDS: Sequence[tuple[Event, str]] = [
    (
        RunCreated(plan=PLAN, by="ann", comment="CVE-1"),
        "ann creates the run of plan sha256:0123456789ab",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.STATE),
        "ann creates the run of plan sha256:0123456789ab",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.GIT),
        "ann creates the run of plan sha256:0123456789ab, which git has",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.NAMED),
        "ann creates the run of plan sha256:0123456789ab, trusted by its digest",
    ),
    (RunMoved(to=RunState.ROLLING_BACK), "run is rolling back"),
    (RingMoved(ring="canary", to=RingState.SOAKING), "ring canary is soaking"),
    (WaveStarted(ring="canary", wave=2, hosts=1), "ring canary begins wave 2 of 1 host"),
    (
        ControllerTook(fence=3, process=PROCESS, by="ann"),
        "process 77 of ann carries the run, fence 3",
    ),
    (HostMoved(host="h", attempt=1, to=HostState.APPLY, stage=Stage.APPLY), "apply"),
    (
        HostMoved(host="h", attempt=2, to=HostState.FAILED, stage=Stage.VERIFY),
        "failed at verify, attempt 2",
    ),
    (
        StageAnswered(
            host="h", attempt=1, stage=Stage.VERIFY_UNDO, status=OutcomeStatus.LOST, late=True
        ),
        "verify undo answers lost, late",
    ),
    (ShardStarted(shard="s1", stage=Stage.APPLY, hosts=("a", "b")), "apply goes out to 2 hosts"),
    (ShardProcess(shard="s1", process=PROCESS), "process 77 carries s1"),
    (ShardOver(shard="s1"), "s1 is over"),
    (
        CommandTaken(command=CommandKind.APPROVE, by="bob", ring="production"),
        "bob asks to approve ring production",
    ),
]


@pytest.mark.parametrize(("event", "text"), IN_WORDS)
def test_every_event_has_words(event: Event, text: str) -> None:
    assert words.words(event) == text


def test_a_record_of_a_later_version_shows_its_kind() -> None:
    record = AuditRecord(
        seq=1, at=1_700_000_000_250, run="r", event={"kind": "moon-rose"}, prev="", hash=""
    )
    note = words.note(record)
    assert (note.at, note.event, note.host) == ("2023-11-14T22:13:20.250Z", "moon-rose", "")


def test_a_moment_that_is_none_stays_a_number() -> None:
    assert words.moment(10**20) == str(10**20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", 1_700_000_000_000 - 90 * 60_000),
        ("2d", 1_700_000_000_000 - 2 * 86_400_000),
        ("2023-11-14", 1_699_920_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
    ],
)
def test_since(text: str, expected: int) -> None:
    assert audit.since(text, 1_700_000_000_000) == expected


@pytest.mark.parametrize("text", ["yesterday", "-2h", "h", "2y", "2023-13-01", "٣d"])
def test_since_that_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="no time"):
        audit.since(text, 0)


class Clock:
    """An hour passes at every look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000 - 3_600_000

    def __call__(self) -> int:
        self.now += 3_600_000
        return self.now


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("PATCHCTL_STATE", raising=False)
    (tmp_path / "patchctl.yml").touch()
    with Database(tmp_path / ".patchctl" / "state.db", now_ms=Clock()).open() as database:
        for run, hosts in (("r-20231114-aaaa", ["web\x1b[2J"]), ("r-20231114-bbbb", ["db", "lb"])):
            database.runs.create(run, PLAN, 1, 1, "ann")
            fence = database.leases.take(run, PROCESS, lambda _: False, "ann")
            journal = database.journal(run, fence)
            journal.append(run, [RunCreated(plan=PLAN, by="ann", comment="tuesday")])
            journal.append(run, [ShardStarted(shard="s", stage=Stage.APPLY, hosts=tuple(hosts))])
            journal.append(
                run,
                [
                    HostMoved(host=h, attempt=1, to=HostState.UNKNOWN, reason="gone\nr-1 all is ok")
                    for h in hosts
                ],
            )
        AuditWriter(tmp_path / ".patchctl" / "audit", database).catch_up()
        yield tmp_path


def run(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str) -> tuple[int, str, str]:
    code = main(["-C", str(workspace), "audit", *words])
    return code, *capsys.readouterr()


def shown(capsys: pytest.CaptureFixture[str], workspace: Path, *words: str) -> list[Any]:
    code, out, _ = run(capsys, workspace, "show", "-o", "json", *words)
    assert code == 0
    return [record["seq"] for record in json.loads(out)]


def test_show_has_one_clean_line_an_event(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, workspace, "show", "--run", "aaaa")
    assert code == 0
    assert out.splitlines() == [
        "2023-11-14T22:13:20.000Z  r-20231114-aaaa  -"
        "  ann creates the run of plan sha256:0123456789ab: tuesday",
        "2023-11-14T23:13:20.000Z  r-20231114-aaaa  -  apply goes out to 1 host",
        "2023-11-15T00:13:20.000Z  r-20231114-aaaa  web\\x1b[2J  unknown: gone\\x0ar-1 all is ok",
    ]


def test_show_picks_by_run_host_and_time(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, workspace) == [1, 2, 3, 4, 5, 6, 7]
    assert shown(capsys, workspace, "--run", "r-20231114-b") == [4, 5, 6, 7]
    assert shown(capsys, workspace, "--host", "lb") == [5, 7]
    assert shown(capsys, workspace, "--since", "2023-11-15T01:00") == [4, 5, 6, 7]
    assert shown(capsys, workspace, "--run", "nothing") == []


def test_verify_says_ok(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, workspace, "verify", "-o", "json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["ok"], answer["records"], answer["error"]) == (True, 7, "")
    assert answer["head"].startswith("sha256:")
    code, out, err = run(capsys, workspace, "verify")
    assert (code, out, err) == (0, f"ok: 7 records, head {answer['head']}\n", "")


def test_verify_names_the_first_bad_line_and_exits_6(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace / ".patchctl" / "audit" / "000000000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"unknown", b"success", 1))
    code, out, err = run(capsys, workspace, "verify", "-o", "json")
    answer = json.loads(out)
    assert code == 6
    assert (answer["ok"], answer["records"]) == (False, 2)
    assert f"{file}:3: " in answer["error"]
    assert answer["error"] in err
    code, _, err = run(capsys, workspace, "show")
    assert (code, err.count("\n")) == (6, 1)
    assert f"{file}:3: " in err


def test_rebuild_needs_a_yes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / ".patchctl" / "audit" / "000000000001.jsonl").unlink()
    assert run(capsys, workspace, "verify")[0] == 6
    code, _, err = run(capsys, workspace, "rebuild")
    assert (code, "--yes" in err) == (2, True)
    code, _, err = run(capsys, workspace, "rebuild", "--yes")
    assert (code, "7 records" in err) == (0, True)
    assert run(capsys, workspace, "verify")[0] == 0


def test_without_any_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "patchctl.yml").touch()
    code, out, err = run(capsys, tmp_path, "verify", "-o", "json")
    assert (code, out) == (2, "")
    assert "no state yet" in err
