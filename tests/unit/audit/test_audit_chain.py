"""Each change of the log is found: edit, deletion, insertion, new order, truncation."""

import hashlib
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from patchctl.audit import chain, layout
from patchctl.audit.verify import verify
from patchctl.models.audit import AuditLine, AuditVerdict, StoredEntry

PER_FILE = 3


def entries(number: int) -> list[StoredEntry]:
    return [
        StoredEntry(
            seq=seq,
            run="r-1",
            at=1_700_000_000_000 + seq,
            event=f'{{"host":"web-{seq % 2}","kind":"host-moved","to":"apply"}}',
        )
        for seq in range(1, number + 1)
    ]


def write(journal: Sequence[StoredEntry]) -> tuple[list[bytes], str]:
    """Return the lines of the log and the last hash."""
    prev, lines = chain.GENESIS, []
    for entry in journal:
        line, prev = chain.line(entry, prev)
        lines.append(line)
    return lines, prev


def placed(content: bytes, per_file: int = PER_FILE) -> list[AuditLine]:
    """Return the lines in the files where a reader expects them, however many there are."""
    return [
        AuditLine(
            file=f"audit/{layout.file_name(number, per_file)}",
            number=(number - 1) % per_file + 1,
            data=line,
        )
        for number, line in enumerate(io.BytesIO(content), 1)
    ]


def judge(content: bytes, journal: Sequence[StoredEntry], head: tuple[int, str]) -> AuditVerdict:
    return verify(placed(content), journal, head, PER_FILE)


JOURNAL = entries(7)
LINES, LAST = write(JOURNAL)
LOG = b"".join(LINES)
HEAD = (7, LAST)


def test_a_record_is_canonical_json_with_the_hash_of_all_else() -> None:
    first = json.loads(LINES[0])
    assert list(first) == ["at", "event", "hash", "prev", "run", "seq"]
    assert first["prev"] == "sha256:" + "0" * 64
    digest = first.pop("hash")
    text = json.dumps(first, sort_keys=True, separators=(",", ":"))
    assert digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(LINES[1])["prev"] == digest


def test_an_untouched_log_is_ok() -> None:
    assert judge(LOG, JOURNAL, HEAD) == AuditVerdict(ok=True, records=7, head=LAST)


def test_an_empty_log_is_ok() -> None:
    assert verify([], [], None) == AuditVerdict(ok=True, records=0, head="")


def test_what_a_crash_leaves_is_ok() -> None:
    head = (5, chain.parse(LINES[4]).hash)
    whole = judge(b"".join(LINES[:6]), JOURNAL, head)
    assert (whole.ok, whole.records, whole.behind) == (True, 6, 1)
    torn = judge(b"".join(LINES[:6]) + LINES[6][:40], JOURNAL, head)
    assert (torn.ok, torn.records, torn.behind) == (True, 6, 1)


def test_a_torn_line_must_be_the_beginning_of_what_comes() -> None:
    head = (6, chain.parse(LINES[5]).hash)
    verdict = judge(b"".join(LINES[:6]) + b'{"at":9', JOURNAL, head)
    assert (verdict.ok, verdict.records) == (False, 6)
    assert "torn" in verdict.error


@given(st.integers(0, len(LOG) - 1), st.integers(1, 255))
def test_an_edited_byte_is_found(position: int, change: int) -> None:
    edited = bytearray(LOG)
    edited[position] ^= change
    verdict = judge(bytes(edited), JOURNAL, HEAD)
    assert not verdict.ok
    assert verdict.records == LOG[:position].count(b"\n")
    line = verdict.records % PER_FILE + 1
    assert f"{layout.file_name(verdict.records + 1, PER_FILE)}:{line}: " in verdict.error


@given(st.integers(0, len(LOG) - 1), st.integers(1, 400))
def test_deleted_bytes_are_found(start: int, size: int) -> None:
    assert not judge(LOG[:start] + LOG[start + size :], JOURNAL, HEAD).ok


@given(st.integers(0, len(LOG)), st.binary(min_size=1, max_size=8))
def test_inserted_bytes_are_found(position: int, more: bytes) -> None:
    assert not judge(LOG[:position] + more + LOG[position:], JOURNAL, HEAD).ok


@given(st.permutations(range(7)))
def test_reordered_lines_are_found(order: Sequence[int]) -> None:
    assume(list(order) != sorted(order))
    assert not judge(b"".join(LINES[n] for n in order), JOURNAL, HEAD).ok


@given(st.lists(st.integers(0, 6), max_size=9))
def test_any_other_choice_of_lines_is_found(choice: list[int]) -> None:
    assume(choice != list(range(7)))
    assert not judge(b"".join(LINES[n] for n in choice), JOURNAL, HEAD).ok


@given(st.integers(0, len(LOG) - 1))
def test_truncation_is_found(size: int) -> None:
    assert not judge(LOG[:size], JOURNAL, HEAD).ok


@given(st.integers(0, 6), st.sampled_from(["at", "run", "event"]))
def test_a_record_forged_with_a_whole_new_chain_is_found(position: int, field: str) -> None:
    forged = entries(7)
    old = forged[position]
    forged[position] = StoredEntry(
        seq=old.seq,
        at=old.at + (field == "at"),
        run=old.run + ("x" if field == "run" else ""),
        event=old.event.replace("web", "db") if field == "event" else old.event,
    )
    lines, last = write(forged)
    # Against the journal, even with a forged head; against the head, even with a forged journal.
    verdict = judge(b"".join(lines), JOURNAL, (7, last))
    assert (verdict.ok, verdict.records) == (False, position)
    assert "not what the journal says" in verdict.error
    verdict = judge(b"".join(lines), forged, HEAD)
    assert not verdict.ok
    assert "database remembers" in verdict.error


@given(st.integers(0, 6))
def test_a_journal_that_lost_an_entry_is_found(position: int) -> None:
    journal = [*JOURNAL[:position], *JOURNAL[position + 1 :]]
    assert not judge(LOG, journal, HEAD).ok


@pytest.mark.parametrize("event", ["", "nonsense", '{"load":0.5}', "[" * 20_000])
def test_a_journal_entry_that_cannot_be_read_is_named(event: str) -> None:
    bad = StoredEntry(seq=3, run="r-1", at=1, event=event)
    verdict = judge(LOG, [*JOURNAL[:2], bad, *JOURNAL[3:]], HEAD)
    assert (verdict.ok, verdict.records) == (False, 2)
    assert "journal entry 3 is not readable" in verdict.error


@given(st.one_of(st.binary(), st.text().map(str.encode)).map(lambda data: data + b"\n"))
def test_any_bytes_are_a_record_or_a_reason(data: bytes) -> None:
    with pytest.raises(chain.BrokenRecordError):
        chain.parse(data)


def test_a_line_moved_to_another_file_is_found() -> None:
    verdict = verify(placed(LOG, per_file=4), JOURNAL, HEAD, PER_FILE)
    assert not verdict.ok
    assert "000000000001.jsonl:4: record 4 does not belong here" in verdict.error


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{}", "no end"),
        (b"nonsense\n", "not a record"),
        (b"\xff\xfe\n", "not a record"),
        (b'{"event":' + b'{"a":' * 20_000 + b"\n", "not a record"),
        (LINES[0].replace(b'"at":', b'"at": '), "not in the one form"),
        (LINES[0].replace(b"web-1", b"web-2"), "does not have its hash"),
    ],
)
def test_what_is_no_record_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(chain.BrokenRecordError, match=reason):
        chain.parse(line)


@given(st.integers(0, 6), st.sampled_from(["reason", "hash", "prev"]))
def test_an_event_may_say_what_looks_like_a_hash(at: int, key: str) -> None:
    mark = f'"hash":"{json.loads(LINES[at])["hash"]}",'
    event = json.dumps({key: mark, "more": [{"hash": chain.GENESIS, "prev": mark}]})
    line, digest = chain.line(StoredEntry(seq=1, run=mark, at=1, event=event), mark)
    assert chain.parse(line).hash == digest
    changed = line.replace(digest.encode(), chain.GENESIS.encode())
    with pytest.raises(chain.BrokenRecordError, match="hash"):
        chain.parse(changed)
