"""A discovery of the fleet: results of answers, what is stored, what is shown."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from patchctl.adapters.database import Database
from patchctl.errors import NotFoundError
from patchctl.models.fleet import Fleet, Host
from patchctl.models.snapshot import HostResult, HostStatus, Snapshot
from patchctl.protocol.jobs import Answer, AnswerStatus, Job, hosts_of
from patchctl.report import discovery_view as text
from patchctl.workflows.discovery.discover import REFRESH_S, Request, discover, known

DATA = Path(__file__).resolve().parents[3] / "data" / "discovery"
DEBIAN = (DATA / "debian12.txt").read_text(encoding="utf-8")
NOW_MS = 1795437190_000


class Clock:
    """A clock that moves by one second at each call."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def now_ms(self) -> int:
        self.ms += 1000
        return self.ms


class Runner:
    """Answers for the hosts of a job, in the order of its `answers`."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.jobs: list[Job] = []

    def run(self, job: Job, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Answer]:
        self.jobs.append(job)
        meanwhile()
        answers = {answer.host: answer for answer in self.answers}
        lost = Answer(job=job.id, host="", status=AnswerStatus.LOST, reason="the run was cancelled")
        for host in [*answers, *(set(hosts_of(job.inventory)) - set(answers))]:
            yield answers.get(host) or dataclasses.replace(lost, host=host)


def fleet(*names: str) -> Fleet:
    hosts = tuple(
        Host(name=name, ring="staging", ring_reason="", groups=(), variables={}) for name in names
    )
    return Fleet(hosts=hosts, groups=(), sources=(), rings=("staging",), digest="")


def answer(host: str, output: str = DEBIAN) -> Answer:
    return Answer(
        job="j", host=host, status=AnswerStatus.OK, rc=0, output=output, elapsed_ms=1500,
        at_ms=NOW_MS,
    )  # fmt: skip


def failed(host: str, status: AnswerStatus, reason: str) -> Answer:
    return Answer(job="j", host=host, status=status, reason=reason)


def look(runner: Runner, names: Sequence[str], request: Request | None = None) -> Snapshot:
    return discover(
        fleet(*names), request or Request(), runner=runner, clock=Clock(), save=lambda it: it
    )


def test_each_answer_becomes_a_result_and_none_stops_the_others() -> None:
    runner = Runner(
        failed("d", AnswerStatus.UNREACHABLE, "connection refused"),
        answer("a"),
        failed("c", AnswerStatus.FAILED, "no answer within 60 s"),
        answer("b", output="[os]\n"),
    )
    taken = look(runner, ["e", "d", "c", "b", "a"])
    assert [(host.name, host.status, host.reason) for host in taken.hosts] == [
        ("a", HostStatus.OK, ""),
        ("b", HostStatus.FAILED, "the answer is not complete"),
        ("c", HostStatus.FAILED, "no answer within 60 s"),
        ("d", HostStatus.UNREACHABLE, "connection refused"),
        ("e", HostStatus.FAILED, "the run was cancelled"),
    ]
    assert [host.facts is not None for host in taken.hosts] == [True] + [False] * 4


def test_only_the_wanted_hosts_are_asked_and_a_refresh_may_take_longer() -> None:
    runner = Runner(answer("a"))
    look(runner, ["a", "b"], Request(hosts=["a"], timeout_s=30))
    look(runner, ["a", "b"], Request(hosts=["a"], timeout_s=30, refresh=True))
    first, second = runner.jobs
    assert hosts_of(first.inventory) == ("a",)
    assert (first.timeout_s, second.timeout_s) == (30, 30 + REFRESH_S)
    assert second.variables["patch_discover_refresh"] is True


def test_an_empty_fleet_starts_nothing() -> None:
    runner = Runner()
    assert look(runner, []).hosts == ()
    assert runner.jobs == []


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        look(Runner(), ["a"], Request(hosts=["x"]))


def test_the_clock_is_compared_with_the_moment_the_answer_came() -> None:
    (host,) = look(Runner(answer("a")), ["a"]).hosts
    assert host.facts is not None
    assert host.facts.clock_skew_s == 1


def test_what_was_known_stays_known_when_a_host_goes_away(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db").open()
    clock = Clock()
    for runner in (
        Runner(answer("a")),
        Runner(failed("a", AnswerStatus.UNREACHABLE, "no route to the host")),
    ):
        clock.ms += 60_000
        discover(
            fleet("a"), Request(), runner=runner, clock=clock, save=database.snapshots.save
        )  # fmt: skip
    host = known(database.snapshots, "a")
    assert (host.status, host.reason) == (HostStatus.UNREACHABLE, "no route to the host")
    assert host.facts is not None
    assert host.facts.hostname == "web-1"
    newest = database.snapshots.load()
    assert newest is not None
    assert newest.id != host.snapshot
    with pytest.raises(NotFoundError):
        known(database.snapshots, "b")


class TestShown:
    taken = look(Runner(answer("a"), failed("b", AnswerStatus.UNREACHABLE, "off")), ["a", "b"])

    def test_the_shape_that_scripts_rely_on(self) -> None:
        shown = json.loads(msgspec.json.encode(text.summary(self.taken)))
        assert shown["snapshot"] == self.taken.id
        assert shown["elapsed_s"] == 1.0
        row, other_row = shown["hosts"]
        assert row["os"] == {
            "id": "debian", "version_id": "12", "pretty_name": "Debian GNU/Linux 12 (bookworm)",
        }  # fmt: skip
        assert row["kernel_running"] == "6.1.0-28-amd64"
        assert (row["packages"], row["reboot_required"]) == (177, True)
        assert (row["pending"], row["pending_security"]) == (14, 14)
        assert (other_row["status"], other_row["reason"]) == ("unreachable", "off")
        assert set(row) == set(other_row)
        assert [other_row[key] for key in ("os", "packages", "reboot_required")] == [None] * 3

    def test_a_row_says_what_an_operator_must_know(self) -> None:
        row, other_row = text.rows(self.taken)
        assert row[:3] == ("a", "ok", "debian 12")
        assert row[-1] == (
            "failed units: broken.service; 4 processes on replaced files;"
            " unattended-upgrades enabled; a process (pid 461067) holds /var/lib/dpkg/lock-frontend"
        )
        assert other_row[-1] == "off"
        assert text.closing(self.taken).startswith("2 hosts in 1.0 s: 1 ok, 1 unreachable;")

    def test_details_cut_long_lists_and_say_so(self) -> None:
        facts = self.taken.hosts[0].facts
        assert facts is not None
        many = msgspec.structs.replace(
            facts, failed_units=tuple(f"u{n}.service" for n in range(50))
        )
        rows = text.details(many)
        assert ("system", "Debian GNU/Linux 12 (bookworm)") in rows
        assert ("", "and 38 more (-o json shows all)") in rows

    @pytest.mark.parametrize(("total", "count"), [(3, 3), (40, 40), (1000, 20)])
    def test_progress_is_told_in_bearable_portions(self, total: int, count: int) -> None:
        lines: list[str] = []
        narrator = text.Narrator(lines.append)
        for done in range(1, total + 1):
            narrator(done, total, self.taken.hosts[0])
        assert len(lines) == count

    def test_progress_never_hides_a_failure(self) -> None:
        lines: list[str] = []
        result = HostResult(name="x", status=HostStatus.FAILED, reason="why")
        text.Narrator(lines.append)(3, 1000, result)
        assert lines == ["[3/1000] x: failed: why"]
