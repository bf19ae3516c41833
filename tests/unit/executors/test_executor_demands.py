"""Silence is not health: only a complete answer counts as success."""

from collections.abc import Sequence

import pytest
from answers_world import BEFORE, BOOT, whole
from executor_world import PROBES, SUM, upgrade, work
from hypothesis import given
from hypothesis import strategies as st

from patchctl.models.facts import Boot
from patchctl.models.plan import Action, Artifact, Transition
from patchctl.models.rollout import Stage
from patchctl.models.states import LOCKABLE
from patchctl.protocol.demands import Asked, judged
from patchctl.protocol.replies import Reply, parse

HOOKS = {Stage.DRAIN, Stage.UNDRAIN}
STAGES = sorted(set(Stage) - HOOKS)
FILE = Artifact(name="x.deb", size=1, sha256=SUM)
TRANSITIONS = (
    upgrade("openssl"),
    Transition(package="fresh", arch="all", action=Action.NEW, to="1.0", file=FILE),
    Transition(package="legacy", arch="amd64", action=Action.REMOVE, from_="2.0"),
)
WORK = work(before=dict(BEFORE), boot=Boot(boot_id=BOOT.split()[1], pid1_start=24))


def reply(stage: Stage, lines: Sequence[str], transitions: Sequence[Transition]) -> Reply:
    text = "\n".join(["question x t", *lines, ""])
    names = [probe.name for probe in PROBES]
    return judged(parse(text, "x t", names), asked(stage, transitions))


def asked(stage: Stage, transitions: Sequence[Transition]) -> Asked:
    probes = PROBES if stage in (Stage.PREPARE, Stage.VERIFY, Stage.VERIFY_UNDO) else ()
    return Asked(stage, WORK, transitions, probes)


def lines_of(stage: Stage) -> list[str]:
    return whole(stage, TRANSITIONS, asked(stage, TRANSITIONS).probes)


@pytest.mark.parametrize("stage", STAGES)
def test_a_whole_answer_is_well(stage: Stage) -> None:
    outcome = reply(stage, lines_of(stage), TRANSITIONS)
    assert (outcome.answer, outcome.reason) == ("ok", "")


@pytest.mark.parametrize("stage", STAGES)
def test_an_answer_with_any_line_missing_is_not(stage: Stage) -> None:
    lines = lines_of(stage)
    for at, line in enumerate(lines):
        # That no reboot is wanted is no good news; who holds the host counts where it is claimed.
        if line == "reboot-required no" and stage is not Stage.APPLY:
            continue
        if line.startswith("holds") and stage not in _HELD:
            continue
        outcome = reply(stage, lines[:at] + lines[at + 1 :], TRANSITIONS)
        assert outcome.answer == "failed", line
        assert outcome.reason


_HELD = {Stage.PREFLIGHT, Stage.PREPARE, Stage.RELEASE}


@given(st.sampled_from(STAGES), st.data())
def test_the_more_is_cut_the_less_it_counts(stage: Stage, data: st.DataObject) -> None:
    lines = lines_of(stage)
    *checks, answer = lines
    count = data.draw(st.integers(0, max(0, len(checks) - 4)))
    assert reply(stage, [*checks[:count], answer], TRANSITIONS).answer == "failed"


def test_a_yes_without_anything_else_is_no_answer() -> None:
    for stage in STAGES:
        assert reply(stage, ["answer ok"], TRANSITIONS).answer == "failed"


def test_the_reason_names_what_is_missing() -> None:
    lines = [line for line in lines_of(Stage.VERIFY) if not line.startswith("check units")]
    outcome = reply(Stage.VERIFY, lines, TRANSITIONS)
    assert outcome.reason == "the host's answer is not complete: check units is missing"


@pytest.mark.parametrize(
    ("stage", "line", "instead"),
    [
        (Stage.VERIFY, "asked services 7", "asked services 0"),
        (Stage.VERIFY, "asked listeners 6", "asked listeners 5"),
        (Stage.VERIFY, "asked units 81", "asked units 0"),
        (Stage.VERIFY, "asked processes 33", "asked processes 0"),
        (Stage.VERIFY, "asked marks 2", "asked marks 0"),
        (Stage.VERIFY, "before services 7", "before services 0"),
        (Stage.VERIFY, "check units ok well", "check units failed dead"),
        (Stage.VERIFY, "check probe:1 ok http", "check probe:1 note http"),
        (Stage.VERIFY, "check probe:1 ok http", "check probe:1 skipped http"),
        (Stage.VERIFY_UNDO, "check probe:1 ok http", "check probe:1 skipped http"),
        (Stage.APPLY, "code 0", "code 100"),
        (Stage.APPLY, "asked packages 3", "asked packages 0"),
        (Stage.REBOOT, "boot 00000000-0000-4000-8000-000000000002 99", BOOT),
        (Stage.PREFLIGHT, "holds yes", "holds no"),
        (Stage.RELEASE, "holds no", "holds yes"),
        (Stage.PREPARE, "before listeners 6", "before listeners 0"),
        (Stage.PREPARE, "before installed 200", "before installed 0"),
    ],
)
def test_an_answer_that_checked_nothing_is_not_good(stage: Stage, line: str, instead: str) -> None:
    lines = [instead if sent == line else sent for sent in lines_of(stage)]
    assert lines != lines_of(stage)
    assert reply(stage, lines, TRANSITIONS).answer == "failed"


def test_a_package_elsewhere_is_named_although_the_host_says_ok() -> None:
    lines = [
        line.replace("package openssl amd64 to", "package openssl amd64 other")
        for line in lines_of(Stage.VERIFY)
    ]
    outcome = reply(Stage.VERIFY, lines, TRANSITIONS)
    assert "package openssl is other where it must be to" in outcome.reason


def test_a_probe_about_packages_may_be_skipped_by_the_host_and_one_of_before_noted() -> None:
    probe = PROBES[0]
    about = type(probe)(name="x", kind=probe.kind, target=probe.target, packages=("nginx",))
    for stage, result in ((Stage.VERIFY, "skipped"), (Stage.VERIFY_UNDO, "note")):
        lines = [
            line.replace("probe:1 ok", f"probe:1 {result}")
            for line in whole(stage, TRANSITIONS, [about])
        ]
        text = "\n".join(["question x t", *lines, ""])
        outcome = judged(parse(text, "x t", ["x"]), Asked(stage, WORK, TRANSITIONS, [about]))
        assert outcome.answer == "ok"


def test_a_host_that_was_asked_before_says_so_and_that_is_enough() -> None:
    again = ["check transaction note begun before", "check claim ok x", BOOT, "holds yes"]
    assert reply(Stage.PREFLIGHT, [*again, "answer ok"], TRANSITIONS).answer == "ok"
    before = [f"before {name} {count}" for name, count in BEFORE.items()]
    old = [line for line in lines_of(Stage.PREPARE) if line.startswith("old ")]
    prepared = ["check prepared ok x", BOOT, "holds yes", *before, *old]
    assert reply(Stage.PREPARE, [*prepared, "answer ok"], TRANSITIONS).answer == "ok"
    assert reply(Stage.PREPARE, [*prepared[:3], "answer ok"], TRANSITIONS).answer == "failed"


def test_without_numbers_of_before_the_rest_still_counts() -> None:
    """A host that an older patchctl prepared has none; its run goes on."""
    lines = [line for line in lines_of(Stage.VERIFY) if not line.startswith("before ")]
    text = "\n".join(["question x t", *lines, ""])
    names = [probe.name for probe in PROBES]
    old = Asked(Stage.VERIFY, work(), TRANSITIONS, PROBES)
    assert judged(parse(text, "x t", names), old).answer == "ok"
    short = text.replace("check marks ok well\n", "")
    assert judged(parse(short, "x t", names), old).answer == "failed"


def test_recorded_results_of_a_patchctl_that_did_not_count_still_count() -> None:
    """Its run goes on after an upgrade; its updates must not be undone for it."""
    old = work()
    for stage in (Stage.APPLY, Stage.RESTART, Stage.UNDO):
        lines = [line for line in lines_of(stage) if not line.startswith(("asked ", "holds"))]
        text = "\n".join(["question x t", *lines, ""])
        assert judged(parse(text, "x t"), Asked(stage, old, TRANSITIONS, ())).answer == "ok"
        counted = Asked(stage, WORK, TRANSITIONS, ())
        assert judged(parse(text, "x t"), counted).answer == "failed"
    lines = [line for line in lines_of(Stage.PREPARE) if not line.startswith("before ")]
    again = [line for line in lines if not line.startswith("check")] + ["answer ok"]
    text = "\n".join(["question x t", "check prepared ok x", *again[:-2], "answer ok", ""])
    assert judged(parse(text, "x t"), Asked(Stage.PREPARE, old, TRANSITIONS, ())).answer == "ok"


def test_a_failed_check_is_not_hidden_by_a_later_one_of_its_name() -> None:
    lines = ["check packages failed broken", *lines_of(Stage.APPLY)]
    outcome = reply(Stage.APPLY, lines, TRANSITIONS)
    assert outcome.reason == "the host's answer is not complete: check packages failed"


def test_an_old_version_of_one_architecture_is_not_that_of_the_other() -> None:
    both = (upgrade("libfoo"), upgrade("libfoo", arch="i386"))
    lines = [line for line in whole(Stage.PREPARE, both) if line != "old libfoo i386 1 cache"]
    text = "\n".join(["question x t", *lines, ""])
    outcome = judged(parse(text, "x t"), Asked(Stage.PREPARE, WORK, both, ()))
    assert outcome.reason.endswith("the old version of libfoo")


def test_what_runs_or_failed_is_not_asked_for_more() -> None:
    for answer in ("running", "failed"):
        outcome = reply(Stage.VERIFY, ["reason still starting", f"answer {answer}"], TRANSITIONS)
        assert (outcome.answer, outcome.reason) == (answer, "still starting")


def test_the_plans_own_words_are_not_kept_for_every_host() -> None:
    assert "packages" not in reply(Stage.VERIFY, lines_of(Stage.VERIFY), TRANSITIONS).evidence
    assert reply(Stage.APPLY, lines_of(Stage.APPLY), TRANSITIONS).evidence["packages"]


LOCK = ("lock 7 /var/lib/dpkg/lock dpkg", "answer locked")


class TestLocked:
    @pytest.mark.parametrize("stage", sorted(LOCKABLE))
    def test_a_host_is_waited_for_where_it_says_whose_lock_it_is(self, stage: Stage) -> None:
        touched = ("touched no",) if stage is Stage.APPLY else ()
        assert reply(stage, (*touched, *LOCK), TRANSITIONS).answer == "locked"
        outcome = reply(stage, (*touched, "answer locked"), TRANSITIONS)
        assert (outcome.answer, "who holds the lock" in outcome.reason) == ("failed", True)

    def test_an_update_is_put_off_only_where_nothing_was_touched(self) -> None:
        for touched in ((), ("touched yes",)):
            assert reply(Stage.APPLY, (*touched, *LOCK), TRANSITIONS).answer == "failed"

    @pytest.mark.parametrize("stage", sorted(set(STAGES) - LOCKABLE))
    def test_other_stages_wait_for_no_lock(self, stage: Stage) -> None:
        assert reply(stage, LOCK, TRANSITIONS).answer == "failed"


@pytest.mark.parametrize(
    ("holds", "answer"), [("holds no", "ok"), ("holds yes", "failed"), ("", "failed")]
)
def test_a_check_must_say_that_it_left_the_host_free(holds: str, answer: str) -> None:
    lines = whole(Stage.PREFLIGHT, TRANSITIONS)
    assert lines[-2] == "holds yes"
    lines[-2:-1] = [holds] if holds else []
    text = "\n".join(["question x t", *lines, ""])
    question = Asked(Stage.PREFLIGHT, work(check=True), TRANSITIONS, ())
    outcome = judged(parse(text, "x t"), question)
    assert outcome.answer == answer
