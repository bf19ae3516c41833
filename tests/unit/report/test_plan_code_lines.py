"""Whoever must trust a plan sees everything that it runs."""

from msgspec import structs
from plan_sealing import HOOKS, whole_plan

from patchctl.cli import output
from patchctl.models.plan import HookFile, HookMode, PlanBody
from patchctl.models.policy import Probe, ProbeKind
from patchctl.plan.diff import diff
from patchctl.plan.freeze import seal
from patchctl.report import plan_diff_view, plan_view, rollout_view
from patchctl.report.plan_code_lines import code

PLAN = whole_plan()


def with_probes(*probes: Probe) -> PlanBody:
    rings = tuple(structs.replace(ring, probes=probes) for ring in PLAN.body.rings)
    return structs.replace(PLAN.body, rings=rings)


def command(text: str) -> Probe:
    return Probe(name="login", kind=ProbeKind.COMMAND, target=text)


def test_hooks_have_their_rings_and_files() -> None:
    assert code(PLAN.body)[:5] == [
        "Hooks, which run on this machine around each host:",
        "  staging, canary, production: drain hooks/drain.yml",
        "  hooks/drain.yml  aaaaaaaaaaaa",
        "  hooks/lb         link to lb.sh",
        "  hooks/lb.sh      bbbbbbbbbbbb executable",
    ]


def seeing(*sees: str) -> PlanBody:
    rings = tuple(structs.replace(ring, drain_sees=sees) for ring in PLAN.body.rings)
    return structs.replace(PLAN.body, rings=rings)


def test_a_plan_says_which_other_hosts_a_hook_sees() -> None:
    said = "it may reach them and read all of their variables"
    assert code(seeing("lbservers"))[2] == f"    drain sees group lbservers: {said}"
    assert code(seeing("a", "b"))[2] == f"    drain sees groups a, b: {said}"
    assert code(seeing("all"))[2] == f"    drain sees every host of the inventory: {said}"
    lines = plan_diff_view.show(diff(PLAN, seal(seeing("all"), PLAN.about)))
    assert [line for line in lines if "hook:" in line] == [
        "  ~ hook: drain sees every host of the inventory now, no other host before"
    ]


def test_every_probe_is_told_and_commands_whole() -> None:
    assert code(PLAN.body)[5:] == [
        "Probes, which hosts of staging, canary, production run as root:",
        "  site (on hosts in group web): http http://localhost/",
        "  login (on hosts with package login): command",
        "    | id -u ops",
        "  port: tcp localhost:22",
        "  unit: unit ssh.service",
    ]


def test_a_ring_of_its_own_is_told_apart() -> None:
    first, second, third = PLAN.body.rings
    rings = (
        structs.replace(first, probes=(), undrain="hooks/undrain.yml"),
        second,
        structs.replace(third, probes=(command("x"),), drain=""),
    )
    lines = code(structs.replace(PLAN.body, rings=rings))
    assert "  staging: drain hooks/drain.yml, undrain hooks/undrain.yml" in lines
    assert "  canary: drain hooks/drain.yml" in lines
    assert "Probes, which hosts of canary run as root:" in lines
    assert "Probes, which hosts of production run as root:" in lines


def test_no_length_and_no_line_hides_a_part_of_a_command() -> None:
    text = "true " + "x" * 3000 + "\n\nrm -rf / # \x1b[2K\r harmless\n  last"
    shown = [output.clean(line) for line in code(with_probes(command(text)))][-5:]
    assert shown == [
        "  login: command",
        "    | true " + "x" * 3000,
        "    | ",
        "    | rm -rf / # \\x1b[2K\\x0d harmless",
        "    |   last",
    ]


def test_nothing_is_said_where_nothing_runs() -> None:
    rings = tuple(structs.replace(ring, probes=(), drain="") for ring in PLAN.body.rings)
    assert code(structs.replace(PLAN.body, rings=rings, hooks=())) == []


def test_hooks_without_digests_are_said_to_have_none() -> None:
    (line,) = code(structs.replace(PLAN.body, hooks=()))[2:3]
    assert line == "  their content is not known: the plan is from before it was kept"


def test_a_long_list_of_files_is_cut_and_can_be_had_whole() -> None:
    many = tuple(
        HookFile(path=f"hooks/{number:03}.yml", mode=HookMode.FILE, sha256="a" * 64)
        for number in range(40)
    )
    body = structs.replace(PLAN.body, hooks=many)
    assert "  and 15 more files; see --full" in code(body)
    assert sum("hooks/0" in line for line in code(body, full=True)) == 40


def test_a_plan_is_shown_with_what_it_runs_and_so_it_is_before_a_rollout() -> None:
    lines = code(PLAN.body)
    shown = plan_view.show(PLAN)
    assert shown[shown.index(lines[0]) :][: len(lines)] == lines
    assert rollout_view.before(PLAN)[-len(lines) :] == [f"  {line}" for line in lines]


def test_a_difference_names_files_of_hooks_and_says_that_probes_are_others() -> None:
    changed = structs.replace(HOOKS[2], sha256="c" * 64)
    rings = tuple(structs.replace(ring, drain="hooks/out.yml") for ring in PLAN.body.rings)
    body = structs.replace(with_probes(command("x")), hooks=(HOOKS[0], changed))
    lines = plan_diff_view.show(diff(PLAN, seal(body, PLAN.about)))
    assert "  ~ other probes: `patchctl plan show` has them in full" in lines
    assert [line for line in lines if "hook:" in line] == [
        "  ~ hook: hooks/lb is missing", "  ~ hook: hooks/lb.sh was changed",
    ]  # fmt: skip
    other = structs.replace(PLAN.body, rings=rings)
    assert plan_diff_view.show(diff(PLAN, seal(other, PLAN.about)))[1:4] == [
        "  ~ hooks.drain: hooks/drain.yml -> hooks/out.yml",
        "  ~ hook: hooks/out.yml is run now", "  ~ hook: hooks/drain.yml is not run any more",
    ]  # fmt: skip
    assert diff(PLAN, PLAN).hooks == () and not diff(PLAN, PLAN).probes_changed
