"""Real processes use one state database: each guarantee holds with any timing."""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters import processes
from patchctl.adapters.audit_files import AuditFiles
from patchctl.adapters.database import Database
from patchctl.audit.writer import AuditWriter
from patchctl.errors import ConflictError
from patchctl.models.journal import HostMoved
from patchctl.models.rollout import HostState
from patchctl.workflows import audit

PROCESSES = 4
PATIENCE_S = 60


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., tuple[BaseProcess, Connection]]]:
    """Start a function of this module in a process of its own, with one end of a pipe."""
    context: ForkServerContext = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["patchctl.adapters.database", "patchctl.audit.writer"])
    running: list[BaseProcess] = []

    def begin(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
        parent_end, child_end = context.Pipe()
        child = context.Process(target=target, args=(child_end, *arguments))
        child.start()
        running.append(child)
        child_end.close()
        return child, parent_end

    yield begin
    for child in running:
        child.kill()
        child.join()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state.db").open() as opened:
        for number in range(PROCESSES):
            opened.runs.create(f"r-{number}", "sha256:p", 1, 1, "ann")
        yield opened


def answer(connection: Connection) -> Any:
    assert connection.poll(PATIENCE_S)
    return connection.recv()


Start = Callable[..., tuple[BaseProcess, Connection]]


# --- what the children do -------------------------------------------------------------------------


def try_to_take(pipe: Connection, file: Path) -> None:
    with Database(file).open() as database:
        pipe.send("ready")
        pipe.recv()
        try:
            pipe.send(database.leases.take("r-0", processes.own(), processes.is_alive, "child"))
        except ConflictError as error:
            pipe.send(str(error))
        pipe.recv()


def claim_and_release(pipe: Connection, file: Path, number: int) -> None:
    run = f"r-{number}"
    chance = random.Random(number)
    with Database(file).open() as database:
        for _ in range(40):
            hosts = sorted(chance.sample([f"h{n}" for n in range(12)], 4))
            try:
                database.leases.claim_hosts(run, hosts)
            except ConflictError:
                held = []
            else:
                held = hosts
            # While they are held nobody else may get one; what was refused must hold nothing.
            if database.leases.hosts(run) != held:
                pipe.send(f"{run} holds {database.leases.hosts(run)}, not {held}")
                return
            database.leases.release_hosts(run)
    pipe.send("ok")


def append_many(pipe: Connection, file: Path, number: int) -> None:
    run = f"r-{number}"
    with (
        Database(file).open() as database,
        AuditWriter(AuditFiles(file.parent / "audit"), database) as log,
    ):
        fence = database.leases.take(run, processes.own(), processes.is_alive, "child")
        journal = database.journal(run, fence)
        for size in range(30):
            for entry in journal.append(run, moves(size % 5)):
                log.on_entry(entry)
    pipe.send("ok" if log.error is None else str(log.error))


def append_for_ever(pipe: Connection, file: Path) -> None:
    """Append entries for ever; send each sequence number to the pipe once it is on disk."""
    with Database(file).open() as database:
        log = AuditWriter(AuditFiles(file.parent / "audit"), database)
        log.catch_up()
        fence = database.leases.take("r-0", processes.own(), processes.is_alive, "child")
        journal = database.journal("r-0", fence)
        try:
            while True:
                entries = journal.append("r-0", moves(random.randint(1, 50)))
                pipe.send(entries[-1].seq)
                log.catch_up()
        except ConflictError as error:
            pipe.send(str(error))


def moves(number: int) -> list[HostMoved]:
    return [HostMoved(host=f"h{n}", attempt=1, to=HostState.APPLY) for n in range(number)]


# --- what must hold -------------------------------------------------------------------------------


def sequence(database: Database) -> list[int]:
    return [entry.seq for entry in database.journal_reader().stored()]


def test_one_of_many_gets_the_run(database: Database, tmp_path: Path, start: Start) -> None:
    children = [start(try_to_take, tmp_path / "state.db") for _ in range(PROCESSES)]
    for _, pipe in children:
        assert answer(pipe) == "ready"
    for _, pipe in children:
        pipe.send("go")
    answers = [answer(pipe) for _, pipe in children]
    assert answers.count(1) == 1
    winner = children[answers.index(1)][0].pid
    others = [text for text in answers if text != 1]
    assert all(f"driven by process {winner} of child" in text for text in others)
    # Not before the winner has ended can another one have it.
    for child, pipe in children:
        pipe.send("end")
        child.join(PATIENCE_S)
    assert database.leases.take("r-0", processes.own(), processes.is_alive, "ann") == 2


def test_no_host_has_two_runs(database: Database, tmp_path: Path, start: Start) -> None:
    children = [start(claim_and_release, tmp_path / "state.db", n) for n in range(PROCESSES)]
    assert [answer(pipe) for _, pipe in children] == ["ok"] * PROCESSES


def test_appenders_share_one_counter_and_one_log(
    database: Database, tmp_path: Path, start: Start
) -> None:
    children = [start(append_many, tmp_path / "state.db", n) for n in range(PROCESSES)]
    assert [answer(pipe) for _, pipe in children] == ["ok"] * PROCESSES
    each = sum(size % 5 for size in range(30))
    assert sequence(database) == list(range(1, PROCESSES * each + 1))
    for number in range(PROCESSES):
        assert len(list(database.journal_reader().read(f"r-{number}"))) == each
    verdict = audit.verify(AuditFiles(tmp_path / "audit"), lambda: database)
    assert (verdict.ok, verdict.records, verdict.behind) == (True, PROCESSES * each, 0)


def test_a_replaced_controller_writes_nothing(
    database: Database, tmp_path: Path, start: Start
) -> None:
    child, pipe = start(append_for_ever, tmp_path / "state.db")
    for _ in range(3):
        answer(pipe)
    fence = database.leases.take("r-0", processes.own(), lambda _: False, "ann")
    first = database.journal("r-0", fence).append("r-0", moves(1))[0].seq
    while isinstance(last := answer(pipe), int):
        assert last < first
    assert "taken over by ann" in last
    child.join(PATIENCE_S)
    assert sequence(database)[-1] == first


def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_missing(
    database: Database, tmp_path: Path, start: Start
) -> None:
    chance = random.Random(os.urandom(8))
    acknowledged = 0
    for _ in range(20):
        child, pipe = start(append_for_ever, tmp_path / "state.db")
        first = answer(pipe)
        assert first > acknowledged
        time.sleep(chance.uniform(0, 0.06))
        child.kill()
        child.join(PATIENCE_S)
        acknowledged = max([first, *received(pipe)])
        numbers = sequence(database)
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= acknowledged
        # Also before anybody has fixed it, the log is no false alarm.
        assert audit.verify(AuditFiles(tmp_path / "audit"), lambda: database).ok
    AuditWriter(AuditFiles(tmp_path / "audit"), database).catch_up()
    verdict = audit.verify(AuditFiles(tmp_path / "audit"), lambda: database)
    assert (verdict.ok, verdict.records, verdict.behind) == (True, len(numbers), 0)
    print(f"{len(numbers)} entries, 20 kills", file=sys.stderr)


def received(pipe: Connection) -> Iterator[int]:
    try:
        while pipe.poll():
            yield pipe.recv()
    except (EOFError, OSError):  # a message that the kill cut in two
        return
