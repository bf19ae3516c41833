"""Read answers of hosts: complete, or called unusable. No answer raises an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.models.rollout import OutcomeStatus
from patchctl.protocol import replies

ASKED = "apply t-1"


def parse(*lines: str, probes: tuple[str, ...] = ()) -> replies.Reply:
    return replies.parse("\n".join([f"question {ASKED}", *lines, ""]), ASKED, probes)


def test_an_answer_becomes_evidence() -> None:
    reply = parse(
        "touched yes",
        "code 0",
        "package perl-base amd64 to 5.36.0-7+deb12u4 ii",
        "package gone all to - -",
        "boot aebc08a8-50c5-4e76-99c5-a6aeb8d8c548 114752",
        "reboot-required no",
        "check packages ok 2 packages",
        "check units ok ",
        "check effective note installed, not effective yet: dbus.service",
        "check probe:1 failed http: no",
        "stale 30 dbus.service dbus-daemon",
        "stale 99 - my daemon",
        "restarted ssh.service",
        "old perl-base amd64 5.36.0-7 rebuilt",
        "seconds 53",
        "reason http: no",
        "answer failed",
        probes=("site",),
    )
    assert reply.answer == "failed" and reply.reason == "probe site: http: no"
    assert reply.evidence == {
        "touched": True,
        "code": 0,
        "packages": [
            {
                "package": "perl-base",
                "arch": "amd64",
                "place": "to",
                "version": "5.36.0-7+deb12u4",
                "status": "ii",
            },
            {"package": "gone", "arch": "all", "place": "to", "version": "-", "status": "-"},
        ],
        "boot": {"boot_id": "aebc08a8-50c5-4e76-99c5-a6aeb8d8c548", "pid1_start": 114752},
        "reboot_required": False,
        "checks": [
            {"name": "packages", "ok": True, "detail": "2 packages"},
            {"name": "units", "ok": True, "detail": ""},
            {
                "name": "effective",
                "ok": True,
                "detail": "installed, not effective yet: dbus.service",
                "note": True,
            },
            {"name": "probe site", "ok": False, "detail": "http: no"},
        ],
        "stale": [
            {"pid": 30, "unit": "dbus.service", "command": "dbus-daemon"},
            {"pid": 99, "unit": "", "command": "my daemon"},
        ],
        "restarted": ["ssh.service"],
        "old": [{"package": "perl-base", "arch": "amd64", "version": "5.36.0-7", "way": "rebuilt"}],
        "seconds": 53,
    }


def test_what_a_job_printed_is_no_evidence_and_obeys_nobody() -> None:
    reply = parse("output Setting up nginx", "output \x1b[31mred", "answer ok")
    assert reply.output[0] == "Setting up nginx"
    assert "\x1b" not in reply.output[1]
    assert reply.evidence == {}


def test_missing_files_are_known_by_their_hash() -> None:
    reply = parse(
        f"missing new a_1_all.deb {'a' * 64} 10",
        f"missing old b.deb {'b' * 64} 2",
        "answer missing",
    )
    assert reply.answer == "missing" and reply.missing == ["a" * 64, "b" * 64]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "answer ok\n",
        "question apply t-1\n",
        "question apply t-2\nanswer ok\n",
        "question verify t-1\nanswer ok\n",
        "question apply t-1\nanswer perhaps\n",
        "question apply t-1\nanswer ok\nanswer ok\n",
        "question apply t-1\nanswer ok\nnote more\n",
        "question apply t-1\nwelcome to this host\nanswer ok\n",
        "question apply t-1\ncode zero\nanswer ok\n",
        "question apply t-1\nlock somebody\nanswer locked\n",
        "question apply t-1\nlock 7 lib/lock apt\nanswer locked\n",
        "question apply t-1\ncode 99999999999999999999\nanswer ok\n",
        "question apply t-1\nreboot-required maybe\nanswer ok\n",
        "question apply t-1\npackage a b\nanswer ok\n",
        "question apply t-1\npackage $(id) amd64 to 1 ii\nanswer ok\n",
        "question apply t-1\ncheck probe:2 ok \nanswer ok\n",
        "question apply t-1\nmissing new ../x zz 1\nanswer missing\n",
        "question apply t-1\nnote " + "x" * 3000 + "\nanswer ok\n",
        "question apply t-1\n" + "note x\n" * 20_001 + "answer ok\n",
    ],
)
def test_anything_else_is_nonsense_and_a_failure(text: str) -> None:
    reply = replies.parse(text, ASKED, ("one",))
    outcome = replies.outcome("s", "web1", reply)
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.reason.startswith("the host answered nonsense: ")
    assert outcome.evidence == {}


def test_the_answer_to_another_question_is_not_taken() -> None:
    # A stage's script that did not run must not pass for one that did.
    assert replies.parse("question prepare t-1\nanswer ok\n", "apply t-1").answer == "failed"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("ok", OutcomeStatus.OK),
        ("running", OutcomeStatus.RUNNING),
        ("failed", OutcomeStatus.FAILED),
        ("missing", OutcomeStatus.FAILED),
        ("locked", OutcomeStatus.LOCKED),
    ],
)
def test_an_answer_is_a_status(answer: str, status: OutcomeStatus) -> None:
    assert replies.outcome("s", "web1", parse(f"answer {answer}")).status is status


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("77 /var/lib/dpkg/lock apt-get", "apt-get (pid 77) holds /var/lib/dpkg/lock"),
        ("-1 /var/lib/dpkg/lock a b", "a b holds /var/lib/dpkg/lock"),
        ("- - apt-daily-upgrade.service", "apt-daily-upgrade.service installs packages"),
    ],
)
def test_a_lock_names_who_is_at_work(line: str, words: str) -> None:
    reply = parse(f"lock {line}", "lock 78 /var/lib/dpkg/lock dpkg", "answer locked")
    assert replies.outcome("s", "web1", reply).reason == words


def test_the_name_of_a_process_is_cleaned() -> None:
    reply = parse("lock 7 /a \x1b]0;x\x07\u202eevil", "answer locked")
    (lock,) = reply.evidence["locks"]
    assert lock.endswith("evil (pid 7) holds /a")
    assert not set(lock) & set("\x1b\x07\u202e")


def test_a_failure_always_has_a_reason() -> None:
    assert replies.outcome("s", "web1", parse("answer failed")).reason


def test_evidence_holds_nothing_that_moves_a_cursor() -> None:
    reply = parse("note \x1b[2J\u202etxt\u200b", "reason a\x07b\x9b1m", "answer failed")
    shown = reply.evidence["notes"][0] + reply.reason
    assert not any(ch in shown for ch in "\x1b\u202e\u200b\x07\x9b")


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    for given_text in (text, f"question {ASKED}\n{text}", f"question {ASKED}\n{text}\nanswer ok\n"):
        reply = replies.parse(given_text, ASKED, ("p",))
        assert reply.answer in ("ok", "failed", "running", "missing")


_LINE = st.one_of(
    st.sampled_from(
        ["touched", "code", "package", "check", "stale", "boot", "missing", "old", "answer"]
    ).flatmap(lambda key: st.text(max_size=60).map(lambda rest: f"{key} {rest}")),
    st.text(max_size=40),
)


@given(st.lists(_LINE, max_size=12))
def test_no_lines_raise_and_nothing_hidden_gets_through(lines: list[str]) -> None:
    reply = replies.parse("\n".join([f"question {ASKED}", *lines, "answer ok"]), ASKED)
    outcome = replies.outcome("s", "web1", reply)
    for value in [outcome.reason, str(outcome.evidence)]:
        assert value.isprintable() or "\\" in value


def test_files_that_somebody_edited_have_both_paths_however_long() -> None:
    path, copy = "/etc/" + "a" * 890, "/var/lib/patchctl/t/kept/etc/" + "a" * 870
    parsed = replies.parse(
        f"question q t\nstays {path} {copy}\nstays /etc/with space -\n"
        "removed /etc/x /var/lib/patchctl/t/kept/edited/etc/x\nanswer ok\n",
        "q t",
    )
    assert parsed.evidence["edited"] == [
        {"path": path, "copy": copy},
        {"path": "/etc/with space", "copy": ""},
        {"path": "/etc/x", "copy": "/var/lib/patchctl/t/kept/edited/etc/x", "gone": True},
    ]
