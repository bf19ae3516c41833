"""Accept and freeze: digest, proof coverage, the plan file and the difference of plans."""

import random as stdlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import (
    RINGS,
    TAKEN,
    facts,
    fleet,
    host,
    host_result,
    package,
    resolution,
    ring,
    settings,
    snapshot,
    transition,
)

from patchctl.errors import IntegrityError, InvalidInputError, UsageError
from patchctl.models import canonical
from patchctl.models.facts import FileSystem, HostFacts, PackageManager
from patchctl.models.plan import (
    Action,
    Cohort,
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    PlanBody,
    PlanFeed,
    Selection,
    SelectionMode,
    Transition,
    Urgent,
    proof_key,
)
from patchctl.models.policy import RebootPolicy
from patchctl.models.resolution import Resolution
from patchctl.models.settings import Settings
from patchctl.plan import lockfile
from patchctl.plan.accept import accept, missing_space
from patchctl.plan.check import check
from patchctl.plan.cohorts import cohort
from patchctl.plan.diff import diff
from patchctl.plan.freeze import check_rings, freeze, seal
from patchctl.plan.unproven import unproven

SELECTION = Selection(mode=SelectionMode.SECURITY)
ABOUT = PlanAbout(created=1, author="op", tool="patchctl 0")
SSL = transition("openssl")
CURL = transition("curl")
NEW = transition("libnew1", before="")

Placed = tuple[str, str, tuple[Transition, ...]]


def make(
    rows: Sequence[Placed],
    left_out: Sequence[LeftOut] = (),
    policy: Settings | None = None,
    known: HostFacts | None = None,
) -> PlanBody:
    return freeze(
        fleet=fleet(*(host(name, where) for name, where, _ in rows)),
        snapshot=snapshot(*(host_result(name, known or facts()) for name, _, _ in rows)),
        selection=SELECTION,
        settings=policy or settings(),
        resolutions=[resolution(name, *changes) for name, _, changes in rows],
        left_out=left_out,
    )


def plan(*rows: Placed) -> Plan:
    return seal(make(rows), ABOUT)


SIX: tuple[Placed, ...] = (
    ("s1", "staging", (SSL,)),
    ("s2", "staging", (SSL,)),
    ("c1", "canary", (SSL, CURL)),
    ("p1", "production", (SSL,)),
    ("p2", "production", (CURL, SSL)),
    ("p3", "production", (SSL, NEW)),
)


# --- settle -------------------------------------------------------------------------------------


def settled(
    host_resolution: Resolution, known: HostFacts | None = None, *, allow: bool = False
) -> list[str]:
    done = accept([host_resolution], {host_resolution.host: known or facts()}, allow_removals=allow)
    return [row.host for row in done.taken] + [line.reason for line in done.left_out]


def test_a_host_that_could_not_resolve_is_left_out() -> None:
    assert settled(resolution("h", error="dpkg was interrupted")) == ["resolve-failed"]


def test_a_host_whose_machine_cannot_be_told_is_left_out() -> None:
    assert settled(resolution("h", SSL), facts(machine_id="uninitialized")) == ["discovery-failed"]


def test_removals_need_the_policy() -> None:
    gone = transition("gone", after="")
    assert settled(resolution("h", SSL, gone)) == ["removes-package"]
    assert settled(resolution("h", SSL, gone), allow=True) == ["h"]


def test_what_was_dropped_is_told_and_the_rest_is_taken() -> None:
    line = LeftOut(host="h", reason=LeftOutReason.REMOVES_PACKAGE, package="x", version="1")
    assert settled(resolution("h", SSL, dropped=(line,))) == ["h", "removes-package"]
    assert settled(resolution("h", dropped=(line,))) == ["removes-package"]
    assert settled(resolution("h")) == ["up-to-date"]


def test_a_held_package_may_not_be_pulled_along() -> None:
    known = facts([package("openssl", held=True)])
    assert settled(resolution("h", SSL), known) == ["held"]


def test_a_full_disk_leaves_the_host_out() -> None:
    known = facts(file_systems=[FileSystem(mount="/", kind="ext4", size_kib=9, free_kib=2048)])
    assert settled(resolution("h", SSL, needed_kib={"/usr": 1024, "/var": 1025}), known) == [
        "disk-too-small"
    ]
    assert settled(resolution("h", SSL, needed_kib={"/usr": 1024, "/var": 1024}), known) == ["h"]


def test_space_is_counted_where_the_path_is_mounted() -> None:
    mounts = [
        FileSystem(mount="/", kind="ext4", size_kib=0, free_kib=100),
        FileSystem(mount="/var", kind="ext4", size_kib=0, free_kib=3000),
    ]
    assert missing_space(mounts, {"/var/lib/patchctl": 3000, "/variable": 100}) == ""
    assert missing_space(mounts, {"/var/lib/patchctl": 3001}) == (
        "/var needs 3 MiB and has 2 MiB free"
    )
    assert missing_space([], {"/usr": 1}) == ""


# --- cohorts ------------------------------------------------------------------------------------


@given(st.permutations([SSL, CURL, NEW]))
def test_a_cohort_is_its_content(rows: list[Transition]) -> None:
    made = cohort(resolution("h").manager, rows)
    assert made == cohort(resolution("h").manager, [CURL, NEW, SSL])
    assert made.id.startswith("c-") and len(made.id) == 14
    assert made.download_bytes == 3000


def test_another_file_is_another_cohort() -> None:
    assert SSL.file is not None
    rebuilt = msgspec.structs.replace(SSL, file=msgspec.structs.replace(SSL.file, sha256="cd" * 32))
    manager = resolution("h").manager
    assert cohort(manager, [SSL]).id != cohort(manager, [rebuilt]).id


def test_what_feeds_say_of_a_step_is_no_part_of_its_proof() -> None:
    known = msgspec.structs.replace(SSL, cves=("CVE-2024-1",))
    assert proof_key(known) == proof_key(SSL)
    manager = resolution("h").manager
    assert cohort(manager, [known]).id != cohort(manager, [SSL]).id


# --- freeze -------------------------------------------------------------------------------------


def test_hosts_with_equal_changes_share_a_cohort() -> None:
    body = make(SIX)
    assert len(body.cohorts) == 3
    of = {row.name: row.cohort for row in body.hosts}
    assert of["s1"] == of["s2"] == of["p1"]
    assert of["c1"] == of["p2"]


def test_rings_are_in_order_and_cut_into_waves() -> None:
    body = make(SIX)
    assert [row.ring for row in body.hosts] == ["staging"] * 2 + ["canary"] + ["production"] * 3
    assert sorted(row.wave for row in body.hosts if row.ring == "production") == [1, 1, 2]


def test_it_expires_from_the_snapshot_not_from_the_clock() -> None:
    body = make(SIX)
    assert (body.as_of, body.expires) == (TAKEN, TAKEN + 14 * 86400)


@given(st.randoms(use_true_random=False))
def test_the_order_of_inputs_never_changes_the_digest(random: stdlib.Random) -> None:
    rows = [(name, where, tuple(random.sample(done, len(done)))) for name, where, done in SIX]
    lines = [
        LeftOut(host=name, reason=LeftOutReason.HELD, package=held)
        for name in ("p1", "s1")
        for held in ("a", "b")
    ]
    random.shuffle(rows)
    random.shuffle(lines)
    body = make(rows, lines)
    assert canonical.digest(body) == canonical.digest(make(SIX, sorted(lines, key=repr)))


def test_the_digest_of_this_plan_is_the_same_on_every_machine_and_python() -> None:
    assert canonical.digest(make(SIX)) == (
        "sha256:b22c3b96868bb0c7954fb5a3120062b7cbf48edeb21ffd6a692462dcb1c2900f"
    )


@given(st.permutations([PlanFeed(name="a", dated="2026-01-01"), PlanFeed(name="b")]))
def test_the_feeds_and_their_dates_are_in_the_digest(feeds: list[PlanFeed]) -> None:
    first, other = (
        freeze(
            fleet=fleet(host("s1")),
            snapshot=snapshot(host_result("s1", facts())),
            selection=SELECTION,
            settings=settings(),
            resolutions=[resolution("s1", SSL)],
            left_out=[],
            feeds=given_feeds,
            urgent=[Urgent(cve="CVE-2024-2", kev=True), Urgent(cve="CVE-2024-1", act=True)],
        )
        for given_feeds in (feeds, feeds[:1])
    )
    assert [feed.name for feed in first.feeds] == ["a", "b"]
    assert [urgent.cve for urgent in first.urgent] == ["CVE-2024-1", "CVE-2024-2"]
    assert canonical.digest(first) != canonical.digest(other)


def test_policy_and_content_are_in_the_digest_and_the_author_is_not() -> None:
    base = canonical.digest(make(SIX))
    assert canonical.digest(make(SIX[:-1])) != base
    assert canonical.digest(make(SIX, policy=settings(undo_safe=["openssl"]))) != base
    other = msgspec.structs.replace(ABOUT, author="somebody else", comment="x")
    assert seal(make(SIX), other).digest == base


def test_variables_of_planned_hosts_are_in_the_digest_and_the_place_of_the_checkout_is_not() -> (
    None
):
    def digest(name: str, **variables: object) -> str:
        hosts = [
            msgspec.structs.replace(item, variables=dict(variables)) if item.name == name else item
            for item in (host("s1"), host("s2"))
        ]
        body = freeze(
            fleet=fleet(*hosts),
            snapshot=snapshot(host_result("s1", facts()), host_result("s2", facts())),
            selection=SELECTION,
            settings=settings(),
            resolutions=[resolution("s1", SSL)],
            left_out=[],
        )
        return canonical.digest(body)

    assert digest("s1", port=1, share=0.5) != digest("s1", port=1, share=0.25)
    assert digest("s1", inventory_dir="/home/a") == digest("s1", inventory_dir="/srv/b")
    assert digest("s2", port=1) == digest("s2", port=2)


def test_a_reboot_is_expected_where_the_platform_asks_and_the_ring_allows() -> None:
    rows = [("s1", "staging", (transition("libc6"),)), ("s2", "staging", (SSL,))]
    allowed = settings(*(ring(name, reboot=RebootPolicy.IF_REQUIRED) for name in RINGS))
    assert [row.expected_reboot for row in make(rows).hosts] == [False, False]
    body = make(rows, policy=allowed)
    assert {row.name: row.expected_reboot for row in body.hosts} == {"s1": True, "s2": False}
    waiting = make(rows, policy=allowed, known=facts(reboot_required=True))
    assert all(row.expected_reboot for row in waiting.hosts)


def test_a_host_without_a_ring_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="ring"):
        make([("x", "elsewhere", (SSL,))])


def test_a_ring_that_the_settings_do_not_know_is_an_error_that_names_the_host() -> None:
    with pytest.raises(UsageError, match="host h is in ring 'lab'"):
        check_rings(settings().rings, fleet(host("h", "lab")))


# --- proof coverage -----------------------------------------------------------------------------


def test_what_no_earlier_ring_proves_is_named() -> None:
    body = make(SIX)
    assert [(gap.ring, gap.package, gap.hosts) for gap in body.unproven] == [
        ("canary", "curl", ("c1",)),
        ("production", "libnew1", ("p3",)),
    ]


def test_the_same_package_from_another_version_is_not_proven() -> None:
    older = transition("openssl", before="0.9-1")
    body = make([("s1", "staging", (SSL,)), ("p1", "production", (older,))])
    assert [(gap.from_, gap.to) for gap in body.unproven] == [("0.9-1", "1.0-2")]


def test_an_empty_staging_proves_nothing() -> None:
    body = make([("p1", "production", (SSL,))])
    assert [gap.ring for gap in body.unproven] == ["production"]


# --- the file -----------------------------------------------------------------------------------


def test_a_plan_survives_its_file() -> None:
    original = plan(*SIX)
    assert lockfile.decode(lockfile.encode(original), "x.lock") == original


def test_a_plan_from_before_feeds_were_named_keeps_its_bytes_and_its_digest() -> None:
    data = (Path(__file__).parents[2] / "data" / "plan" / "before-cves.lock").read_bytes()
    old = lockfile.decode(data, "before-cves.lock")
    assert (old.body.feeds, old.body.urgent) == ((), ())
    assert canonical.encode(old) + b"\n" == data
    assert lockfile.decode(lockfile.encode(old), "again") == old


def test_a_plan_file_has_one_field_a_line() -> None:
    text = lockfile.encode(plan(*SIX)).decode()
    fields = [line.strip().rstrip(",") for line in text.splitlines()]
    assert {'"to": "1.0-2"', '"wave": 1', '"name": "s1"'} <= set(fields)
    assert max(line.count(": ") for line in fields) == 1
    assert text.endswith("}\n")


def test_spaces_of_a_plan_file_do_not_count() -> None:
    made = plan(*SIX)
    one_line = canonical.encode(made)
    assert lockfile.decode(one_line, "x.lock") == made
    assert lockfile.decode(msgspec.json.format(one_line, indent=4), "x.lock") == made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"to": "1.0-2"', b'"to": "1.0-3"'),
        (b'"abab', b'"cdab'),
        (b'"transitions":', b'"extra": 1, "transitions":'),
        (b'"arch": "amd64"', b'"arch": "amd64", "undo": "safe"'),
        (b'"wave": 2', b'"wave": 1'),
        (b'"requested": true', b'"requested": false'),
    ],
)
def test_an_edited_plan_is_refused(before: bytes, after: bytes) -> None:
    data = lockfile.encode(plan(*SIX))
    assert before in data
    with pytest.raises(IntegrityError, match=r"x\.lock"):
        lockfile.decode(data.replace(before, after), "x.lock")


def test_its_about_may_be_edited() -> None:
    data = lockfile.encode(plan(*SIX)).replace(b'"author": "op"', b'"author": "me"')
    assert lockfile.decode(data, "x.lock").about.author == "me"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no plan"),
        (b"{}", "no plan"),
        (b"\xff", "no plan"),
        (b"[" * 100_000, "no plan"),
        (b'{"digest":"x","body":{"version":99}}', "format 99"),
        (b'{"digest":"x","body":{"version":1.5}}', "no plan"),
    ],
)
def test_what_is_no_plan_is_said_to_be_none(data: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        lockfile.decode(data, "x.lock")


# --- diff ---------------------------------------------------------------------------------------


def test_a_plan_does_not_differ_from_itself() -> None:
    found_diff = diff(plan(*SIX), plan(*SIX))
    assert found_diff.same
    assert (found_diff.added, found_diff.removed, found_diff.moved) == ((), (), ())


def test_changes_are_grouped_by_transition() -> None:
    after = (*SIX[1:4], ("p2", "production", (SSL,)), ("p3", "canary", (SSL, NEW)))
    found_diff = diff(plan(*SIX), plan(*after))
    assert found_diff.hosts_removed == ("s1",)
    assert [(row.package, row.hosts) for row in found_diff.removed] == [
        ("curl", ("p2",)),
        ("openssl", ("s1",)),
    ]
    assert found_diff.added == ()
    assert [(row.host, row.after) for row in found_diff.moved] == [
        ("p1", "production wave 1"),
        ("p3", "canary wave 1"),
    ]


@given(st.lists(st.sampled_from(SIX), unique=True), st.lists(st.sampled_from(SIX), unique=True))
def test_the_difference_read_backwards_is_the_difference_of_the_swapped_plans(
    left: list[Placed], right: list[Placed]
) -> None:
    before, after = plan(*left), plan(*right)
    there, back = diff(before, after), diff(after, before)
    assert (there.added, there.hosts_added) == (back.removed, back.hosts_removed)
    assert (there.removed, there.left_out_added) == (back.added, back.left_out_removed)
    assert there.same == (sorted(left) == sorted(right))


def test_what_an_earlier_run_has_proven_in_an_earlier_ring_is_proven() -> None:
    proven = Transition(package="web", arch="all", action=Action.UPGRADE, from_="1", to="2")
    cohorts = {
        "c": Cohort(id="c", manager=PackageManager.APT, transitions=(proven,), download_bytes=0)
    }
    rings, placed = ("staging", "production"), {"production": {"p1": "c"}}
    key = frozenset({proof_key(proven)})
    assert [u.hosts for u in unproven(rings, cohorts, placed, {})] == [("p1",)]
    assert [u.hosts for u in unproven(rings, cohorts, placed, {"production": key})] == [("p1",)]
    assert unproven(rings, cohorts, placed, {"staging": key}) == ()


class TestSeveralPackageManagers:
    def plan(self, *order: str) -> PlanBody:
        managers = {"a1": PackageManager.APT, "d1": PackageManager.DNF}
        return freeze(
            fleet=fleet(*(host(name) for name in managers)),
            snapshot=snapshot(
                *(host_result(name, facts(manager=managers[name])) for name in managers)
            ),
            selection=SELECTION,
            settings=settings(),
            resolutions=[
                msgspec.structs.replace(resolution(name, SSL), manager=managers[name])
                for name in order
            ],
            left_out=(),
        )

    def test_the_same_steps_of_two_are_two_cohorts_in_one_wave(self) -> None:
        body = self.plan("a1", "d1")
        assert {item.manager for item in body.cohorts} == {PackageManager.APT, PackageManager.DNF}
        assert len({item.cohort for item in body.hosts}) == 2
        assert {item.wave for item in body.hosts} == {1}
        check(seal(body, ABOUT), "a plan")

    def test_their_order_does_not_matter(self) -> None:
        assert seal(self.plan("a1", "d1"), ABOUT) == seal(self.plan("d1", "a1"), ABOUT)
