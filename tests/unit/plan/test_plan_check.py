"""A plan with a correct digest may still be wrong: its content is checked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from plan_sealing import content, sealed, whole_plan

from patchctl.errors import IntegrityError, InvalidInputError
from patchctl.models.plan import Plan
from patchctl.plan import lockfile

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return whole_plan()


def put(*path: Any, value: Any) -> Edit:
    """Set the value at a path of the body."""

    def edit(body: dict[str, Any]) -> None:
        holder: Any = body
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value

    return edit


def again(*path: Any) -> Edit:
    """Repeat the first item of a list there."""

    def edit(body: dict[str, Any]) -> None:
        holder: Any = body
        for key in path:
            holder = holder[key]
        holder.append(holder[0])

    return edit


def drop(*path: Any) -> Edit:
    def edit(body: dict[str, Any]) -> None:
        holder: Any = body
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]

    return edit


def test_the_plan_that_is_changed_here_is_whole(plan: Plan) -> None:
    assert lockfile.decode(sealed(content(plan)), "x.lock") == plan


FIRST, STEP = ("cohorts", 0), ("cohorts", 0, "transitions", 0)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (put("as_of", value=10**12), "body.as_of: is not from 0 to 253402300799"),
        (put("as_of", value=-1), "body.as_of: is not from 0"),
        (put("expires", value=5), "body.expires: is before `as_of`, or more than ten years"),
        (put("expires", value=2_200_000_000), "body.expires: is before `as_of`, or more than"),
        (put("fleet", value="sha256:0"), "body.fleet: 'sha256:0' is no digest"),
        (put("policy", value=""), "body.policy: '' is no digest"),
        (put("snapshots", 0, "host", value="a b"), "body.snapshots[0].host: 'a b' is no host"),
        (put("snapshots", 1, "facts", value="/x"), "body.snapshots[1].facts: '/x' is no address"),
        (again("snapshots"), "body.snapshots: host 'c1' is listed twice"),
        # rings
        (again("rings"), "body.rings: name 'staging' is listed twice"),
        (put("rings", 0, "name", value="a/b"), "body.rings[0].name: 'a/b' is no ring"),
        (put("rings", 1, "soak_s", value=-1), "body.rings[1].soak_s: is not from 0 to"),
        (
            put("rings", 1, "drain_timeout_s", value=10**15),
            "body.rings[1].drain_timeout_s: is not from 0 to",
        ),
        (put("rings", 0, "budget", value={}), "body.rings[0].budget: is either a number"),
        (
            put("rings", 0, "budget", value={"hosts": 1, "percent": 1}),
            "body.rings[0].budget: is either",
        ),
        (put("rings", 0, "budget", value={"percent": 101}), "body.rings[0].budget.percent: is not"),
        (
            put("rings", 0, "max_concurrent", value={"hosts": 0}),
            "body.rings[0].max_concurrent.hosts: is not from 1",
        ),
        (put("rings", 2, "drain", value="/etc/x.yml"), "body.rings[2].drain: '/etc/x.yml' is abso"),
        (
            put("rings", 2, "undrain", value="hooks/../../x.yml"),
            "body.rings[2].undrain: 'hooks/../../x.yml' leads out of the workspace by `..`",
        ),
        (put("rings", 0, "undrain_sees", value=["a"]), "body.rings[0].undrain_sees: there is no h"),
        (put("rings", 0, "drain_sees", value=["a", "a"]), "drain_sees: group 'a' is listed twice"),
        (put("rings", 0, "drain_sees", value=["a\nb"]), "drain_sees[0]: 'a\\nb' is not a group"),
        (put("rings", 2, "undrain", value="x.yml"), "body.rings[2].undrain: 'x.yml' lies in the"),
        (
            put("rings", 2, "undrain", value="hooks/{{ lookup('pipe', 'id') }}"),
            "body.rings[2].undrain: \"hooks/{{ lookup('pipe', 'id') }}\" has braces, which Ansible",
        ),
        (put("rings", 2, "undrain", value="hooks/a\nb"), "hooks/a\\nb' has characters that cannot"),
        (put("rings", 0, "probes", 0, "target", value="file:///x"), "probes[0].target: is no addr"),
        (put("rings", 0, "probes", 1, "target", value=" "), "probes[1].target: is empty"),
        (put("rings", 0, "probes", 1, "target", value="a\0b"), "probes[1].target: has a character"),
        (put("rings", 0, "probes", 0, "expect", value="\0"), "probes[0].expect: has a character"),
        (put("rings", 0, "probes", 0, "within_s", value=10**9), "probes[0].within_s: is not from"),
        (
            put("rings", 0, "probes", 1, "packages", value=["$(id)"]),
            "body.rings[0].probes[1].packages[0]: '$(id)' is no package",
        ),
        (again("rings", 0, "probes"), "body.rings[0].probes: name 'site' is listed twice"),
        # cohorts
        (put(*FIRST, "id", value="c-0"), "body.cohorts[0].id: 'c-0' is not that of its content"),
        (put(*FIRST, "manager", value="none"), "body.cohorts[0].manager: names no package"),
        (put(*FIRST, "transitions", value=[]), "body.cohorts[0].transitions: is empty"),
        (put(*FIRST, "download_bytes", value=1), "body.cohorts[0].download_bytes: is not "),
        (again("cohorts"), "body.cohorts: id 'c-"),
        (again(*FIRST, "transitions"), "body.cohorts[0].transitions: step '"),
        (put(*STEP, "package", value="-o"), "transitions[0].package: '-o' is no package"),
        (put(*STEP, "arch", value="*"), "transitions[0].arch: '*' is no architecture"),
        (put(*STEP, "from", value="1 2"), "transitions[0].from: '1 2' is no version"),
        (drop(*STEP, "to"), "transitions[0].to: '' is no version"),
        (put(*STEP, "action", value="remove"), "transitions[0].to: '1.0-2' does not go with"),
        (drop(*STEP, "file"), "transitions[0].file: is missing"),
        (put(*STEP, "file", "name", value="../x.deb"), "file.name: '../x.deb' is no file"),
        (put(*STEP, "file", "name", value="x.sh"), "file.name: 'x.sh' is no file"),
        (put(*STEP, "file", "sha256", value="AB" * 32), "is no sha256"),
        (put(*STEP, "file", "size", value=-1), "file.size: is not from 0"),
        (put(*STEP, "file", "size", value=10**18), "file.size: is not from 0"),
        # hosts
        (again("hosts"), "body.hosts: name 's"),
        (put("hosts", 3, "cohort", value="c-1"), "body.hosts[3].cohort: the plan has no cohort"),
        (put("hosts", 3, "ring", value="live"), "body.hosts[3].ring: the plan has no ring 'live'"),
        (put("hosts", 0, "wave", value=0), "body.hosts[0].wave: is not from 1"),
        (put("hosts", 0, "wave", value=7), "the waves of ring staging are not 1, 2, … without"),
        (put("hosts", 2, "wave", value=1), "ring staging has 3 hosts in a wave, more than its 2"),
        (put("hosts", 0, "name", value="--all"), "body.hosts[0].name: '--all' is no host"),
        (put("hosts", 0, "name", value="a..b"), "body.hosts[0].name: 'a..b' is no host"),
        (put("hosts", 0, "machine_id", value="x"), "body.hosts[0].machine_id: 'x' is no machine"),
        (put("hosts", 0, "expected_s", value=10**16), "body.hosts[0].expected_s: is not from 0"),
        (put("hosts", value=[]), "body.cohorts: no host is in cohort c-"),
        # what refers to them
        (put("left_out", 0, "host", value="\x1b[2J"), "left_out[0].host: '\\x1b[2J' is no host"),
        (put("unproven", 0, "ring", value="x"), "body.unproven[0].ring: the plan has no ring 'x'"),
        (put("unproven", 0, "hosts", value=["s1"]), "unproven[0].hosts: host 's1' is not in ring"),
        (put("unproven", 0, "package", value=""), "unproven[0].package: '' is no package"),
        (put("unproven", 0, "from", value="%"), "unproven[0].from: '%' is no version"),
        (put("feeds", 0, "entries", value=-5), "body.feeds[0].entries: is not from 0"),
        (again("urgent"), "body.urgent: cve 'CVE-2024-6387' is listed twice"),
        # hooks
        (again("hooks"), "body.hooks: path 'hooks/drain.yml' is listed twice"),
        (put("hooks", 0, "path", value="../x"), "body.hooks[0].path: '../x' leads out of the"),
        (put("hooks", 0, "path", value="/x"), "body.hooks[0].path: '/x' is absolute"),
        (drop("hooks", 0, "sha256"), "body.hooks[0].sha256: '' is no sha256"),
        (put("hooks", 0, "target", value="x"), "body.hooks[0].target: a link has a target"),
        (drop("hooks", 1, "target"), "body.hooks[1].target: a link has a target"),
        (put("rings", 0, "drain", value="other/x.yml"), "there is no digest of other/x.yml"),
        # what msgspec finds, by its path
        (put("unproven_policy", value="never"), "no plan: Invalid enum value 'never' - at `$.body"),
        (put("hosts", 0, "extra", value=1), "no plan: Object contains unknown field `extra`"),
        (put("as_of", value="1"), "no plan: Expected `int`, got `str`"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_said_with_its_place(plan: Plan, edit: Edit, says: str) -> None:
    changed = content(plan)
    edit(changed["body"])
    with pytest.raises(InvalidInputError) as refused:
        lockfile.decode(sealed(changed), "x.lock")
    (line,) = refused.value.lines()
    assert line.startswith("x.lock: ") and says in line
    assert refused.value.exit_code == 2


def test_a_plan_whose_hooks_have_no_digests_can_be_read(plan: Plan) -> None:
    changed = content(plan)
    del changed["body"]["hooks"]
    assert lockfile.decode(sealed(changed), "x.lock").body.hooks == ()


def test_hook_files_without_a_ring_that_runs_them_are_refused(plan: Plan) -> None:
    changed = content(plan)
    for ring in changed["body"]["rings"]:
        del ring["drain"]
    with pytest.raises(InvalidInputError, match=r"body\.hooks: no ring has a hook"):
        lockfile.decode(sealed(changed), "x.lock")


def test_the_time_at_which_a_plan_was_made_is_checked(plan: Plan) -> None:
    changed = content(plan)
    changed["about"]["created"] = 10**17
    with pytest.raises(InvalidInputError, match=r"about\.created: is not from 0"):
        lockfile.decode(sealed(changed), "x.lock")


def test_a_digest_that_does_not_fit_is_told_before_all_else_and_on_one_line(plan: Plan) -> None:
    changed = content(plan)
    changed["body"]["hosts"][0]["cohort"] = "c-1"
    for digest in (plan.digest, "x\npatchctl: all is well", ""):
        changed["digest"] = digest
        with pytest.raises(IntegrityError) as refused:
            lockfile.decode(json.dumps(changed).encode(), "x.lock")
        assert refused.value.exit_code == 6
        assert len(refused.value.lines()) == 1
