"""patchctl.yml: defaults, all keys, and all mistakes at once with file and line."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.config.root import find_workspace
from patchctl.config.settings import amount, load, seconds
from patchctl.errors import InvalidInputError
from patchctl.models import canonical
from patchctl.models.feeds import Stale
from patchctl.models.policy import (
    Amount,
    OnFailure,
    ProbeKind,
    Promote,
    RebootPolicy,
    RollbackReady,
    StaleLists,
    UnprovenPolicy,
    UpdaterPolicy,
)
from patchctl.models.priority import PriorityPolicy, Profile, Sla
from patchctl.models.settings import FeedSettings, FeedSource, Rule, Settings, Share, Shares

DATA = Path(__file__).parents[2] / "data" / "settings"


def settings(folder: Path, text: str) -> Settings:
    (folder / "patchctl.yml").write_text(text)
    return load(folder / "patchctl.yml")


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        settings(folder, text)
    return str(caught.value).splitlines()


class TestDefaults:
    def test_an_empty_file_gives_three_careful_rings(self, tmp_path: Path) -> None:
        staging, canary, production = settings(tmp_path, "# nothing yet\n").rings
        assert [r.name for r in (staging, canary, production)] == [
            "staging",
            "canary",
            "production",
        ]
        assert staging.budget == canary.budget == Amount(hosts=0)
        assert production.budget == Amount(percent=5)
        assert production.max_concurrent == Amount(percent=10)
        assert (staging.soak_s, canary.soak_s, production.soak_s) == (0, 86_400, 0)
        assert (staging.promote, canary.promote) == (Promote.AUTO, Promote.AUTO)
        assert production.promote is Promote.MANUAL
        for ring in (staging, canary, production):
            assert ring.reboot is RebootPolicy.NEVER
            assert ring.on_failure is OnFailure.ROLLBACK
            assert ring.rollback_ready is RollbackReady.REQUIRE
            assert ring.updaters is UpdaterPolicy.REFUSE

    def test_the_rest_of_the_file_has_careful_defaults_too(self, tmp_path: Path) -> None:
        loaded = settings(tmp_path, "")
        assert loaded.inventory == ("inventory/",)
        assert loaded.state == ".patchctl"
        assert loaded.unproven is UnprovenPolicy.HOLD
        assert loaded.allow_removals is False
        assert (loaded.stale_lists, loaded.lists_max_age_s) == (StaleLists.HOLD, 2 * 86_400)
        assert loaded.plan_expires_s == 14 * 86_400
        assert loaded.assign.rules == () and loaded.assign.shares is None

    def test_defaults_go_by_place_so_any_names_are_as_careful(self, tmp_path: Path) -> None:
        lab, early, main = settings(
            tmp_path, "rings: [{name: lab}, {name: early}, {name: main}]"
        ).rings
        assert (lab.soak_s, early.soak_s, main.soak_s) == (0, 86_400, 0)
        assert main.promote is Promote.MANUAL
        assert early.budget == Amount(hosts=0)

    def test_a_single_ring_is_a_last_ring(self, tmp_path: Path) -> None:
        (only,) = settings(tmp_path, "rings: [{name: all}]").rings
        assert only.promote is Promote.MANUAL
        assert only.max_concurrent == Amount(percent=10)


@pytest.mark.parametrize(
    ("sees", "means"),
    [
        ("[web, lbservers, web]", ("lbservers", "web")),
        ("all", ("all",)),
        ("[web, all]", ("all",)),
        ("[]", ()),
    ],
)
def test_a_hook_says_what_it_sees(tmp_path: Path, sees: str, means: tuple[str, ...]) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/x.yml").write_text("[]")
    text = f"hooks: {{drain: {{file: hooks/x.yml, sees: {sees}}}, undrain: hooks/x.yml}}"
    for ring in settings(tmp_path, text).rings:
        assert [(hook.stage, hook.file, hook.sees) for hook in ring.hooks] == [
            ("drain", "hooks/x.yml", means), ("undrain", "hooks/x.yml", ()),
        ]  # fmt: skip


def test_an_empty_hook_is_none(tmp_path: Path) -> None:
    assert settings(tmp_path, "hooks: {drain: '', undrain: ''}").rings[0].hooks == ()


def test_a_hook_that_sees_nothing_leaves_plans_as_they_were(tmp_path: Path) -> None:
    """Their digest is the identity of plans that were approved."""
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/x.yml").write_text("[]")
    short, long = (
        settings(tmp_path, f"hooks: {{undrain: {text}}}").rings
        for text in ("hooks/x.yml", "{file: hooks/x.yml, sees: []}")
    )
    assert canonical.encode(short) == canonical.encode(long)
    assert b"sees" not in canonical.encode(short)


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    for hook in ("drain", "undrain"):
        (tmp_path / "hooks" / f"{hook}.yml").write_text("[]")
    loaded = settings(tmp_path, (DATA / "full.yml").read_text())
    test, live = loaded.rings
    assert (test.name, test.budget, test.max_concurrent) == (
        "test",
        Amount(hosts=1),
        Amount(percent=25),
    )
    assert (test.soak_s, test.promote) == (5400, Promote.MANUAL)
    assert live.reboot is RebootPolicy.IF_REQUIRED
    assert live.on_failure is OnFailure.STOP
    for ring in loaded.rings:
        assert ring.rollback_ready is RollbackReady.WARN
        assert ring.updaters is UpdaterPolicy.HOLD_FOR_RUN
        assert (ring.drain, ring.undrain) == ("hooks/drain.yml", "hooks/undrain.yml")
        assert (ring.transaction_timeout_s, ring.verify_timeout_s) == (1800, 60)
        assert (ring.reboot_timeout_s, ring.drain_timeout_s) == (300, 30)
        (probe,) = ring.probes
        assert (probe.name, probe.kind, probe.within_s) == ("web", ProbeKind.HTTP, 10)
        assert (probe.groups, probe.packages) == (("web",), ("nginx",))
    assert loaded.assign.rules == (
        Rule(ring="test", groups=("qa",), names=("qa-*",)),
        Rule(ring="live", names=("*.example.org",)),
    )
    assert loaded.assign.shares == Shares(
        seed="2024",
        stratum=("site", "role"),
        parts=(Share(ring="test", percent=5), Share(ring="live", percent=95)),
    )
    assert loaded.inventory == ("inventory/", "cloud.yml")
    assert loaded.unproven is UnprovenPolicy.APPROVE
    assert loaded.allow_removals is True
    assert loaded.undo_safe == ("postgresql-*",)
    assert (loaded.stale_lists, loaded.lists_max_age_s) == (StaleLists.WARN, 43_200)
    assert (loaded.plan_expires_s, loaded.discovery_timeout_s) == (7 * 86_400, 45)
    assert (loaded.ansible.user, loaded.ansible.forks) == ("ops", 50)
    assert loaded.ansible.connect_timeout_s == 5
    assert loaded.ansible.vault_ids == ("prod@vault/prod",)
    assert loaded.feeds == FeedSettings(
        mirror="https://mirror.example/feeds",
        ecosystems=("Rocky Linux:9",),
        max_age_s=3 * 86_400,
        stale=Stale.REFUSE,
        sources=(
            FeedSource(name="cve", address="https://mirror.example/cve.zip", max_age_s=30 * 86_400),
            FeedSource(name="epss", enabled=False),
        ),
    )
    assert [loaded.feeds.max_age_of(name) // 86_400 for name in ("cve", "epss", "kev")] == [
        30,
        3,
        3,
    ]
    assert loaded.assessment == PriorityPolicy(
        profiles=(Profile.PCI_DSS, Profile.CVSS_SLA), sla=Sla(critical=2, high=2, medium=30, low=0)
    )
    assert loaded.state == "/var/lib/patchctl-state"
    assert loaded.ring_names == ("test", "live")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ringz: []", "patchctl.yml:1: ringz: unknown key; did you mean rings?"),
        (
            "rings:\n- name: a\n  buget: 1",
            "patchctl.yml:3: rings[0].buget: unknown key; did you mean budget?",
        ),
        ("rings:\n- budget: 1", "patchctl.yml:2: rings[0]: needs the key name"),
        (
            "feeds:\n  mirror: ftp://ann:pw@x/",
            "patchctl.yml:2: feeds.mirror: is not an http or https address; write https://host/path",
        ),
        (
            "feeds:\n  sources:\n  - {name: kev}\n  - {name: kev}",
            "patchctl.yml:4: feeds.sources[1].name: 'kev' is listed twice",
        ),
        (
            "feeds: {sources: [{name: ../KEV}]}",
            "patchctl.yml:1: feeds.sources[0].name: must be lower case letters",
        ),
        ("assessment: {profiles: []}", "patchctl.yml:1: assessment.profiles: names no profile"),
        (
            "assessment:\n  profiles:\n  - bod-26-04\n  - bod-26-04",
            "patchctl.yml:4: assessment.profiles[1]: bod-26-04 is listed twice",
        ),
        (
            "assessment: {profiles: [bod-26-4]}",
            "patchctl.yml:1: assessment.profiles[0]: must be ssvc-deployer, bod-26-04, pci-dss, "
            "cvss-sla or bod-22-01, not 'bod-26-4'; did you mean bod-26-04?",
        ),
        (
            "assessment:\n  sla:\n    high: 36h",
            "patchctl.yml:3: assessment.sla.high: must be whole days; such as 7d",
        ),
        (
            "assessment: {sla: {high: 5d}}",
            "patchctl.yml:1: assessment.sla.high: is shorter than that of critical",
        ),
        (
            "assessment: {sla: {critical: 0}}",
            "patchctl.yml:1: assessment.sla.high: is shorter than that of critical",
        ),
        ("feeds: {stale: never}", "patchctl.yml:1: feeds.stale: must be warn or refuse"),
        ("rings: []", "patchctl.yml:1: rings: names no ring; leave the key out for the default"),
        ("rings:\n- a", "patchctl.yml:2: rings[0]: must be a mapping (key: value)"),
        ("rings: 5", "patchctl.yml:1: rings: must be a list; write it as [a, b]"),
        ("rings: [{name: 5}]", "patchctl.yml:1: rings[0].name: must be a name of letters"),
        ("rings: [{name: a b}]", "patchctl.yml:1: rings[0].name: must be a name of letters"),
        ("rings:\n- name: a\n- name: a", "patchctl.yml:3: rings[1].name: a is listed twice"),
        (
            "rings: [{name: a, promote: automatic}]",
            "rings[0].promote: must be auto or manual, not 'automatic'; did you mean auto?",
        ),
        (
            "rings: [{name: a, budget: 5.5}]",
            "rings[0].budget: must be a number of hosts or a percentage such as 5%, not 5.5",
        ),
        ("rings: [{name: a, budget: 101%}]", "a percentage such as 5%, not '101%'"),
        ("rings: [{name: a, budget: -1}]", "a percentage such as 5%, not -1"),
        ("rings: [{name: a, max_concurrent: 0}]", "rings[0].max_concurrent: 0 would never start"),
        (
            "rings: [{name: a, soak: 24}]",
            "rings[0].soak: must be a duration such as 30s, 10m, 24h or 14d, not 24",
        ),
        ("policy: {plan_expires: 99999d}", "policy.plan_expires: is longer than ten years"),
        (
            "policy: {allow_removals: on}",
            "policy.allow_removals: must be true or false, not 'on'",
        ),
        ("ansible: {user: 1}", "ansible.user: must be text, not 1; put it in quotes"),
        ("ansible: {user: }", "ansible.user: must be text, not empty"),
        ("ansible: {forks: 0}", "ansible.forks: must be a whole number >= 1, not 0"),
        ("inventory: inventory/", "inventory: must be a list; write it as [a, b]"),
        ("inventory: []", "inventory: names no source"),
        (
            "state: .a\nstate: .b",
            "patchctl.yml:2: state: is listed twice, first in line 1; keep one",
        ),
        ("hooks: {drain: hooks/no.yml}", "hooks.drain: there is no file hooks/no.yml"),
        ("hooks: {drain: /etc/drain.yml}", "hooks.drain: is absolute: only files inside of"),
        ("hooks: {drain: hooks/../../x.yml}", "hooks.drain: leads out of the workspace by `..`"),
        ("hooks: {drain: patchctl.yml}", "hooks.drain: lies in the workspace's top folder: move"),
        ('hooks: {drain: "hooks/{{ x }}.yml"}', "hooks.drain: has braces, which Ansible would"),
        ("hooks: {drain: {file: hooks/no.yml}}", "hooks.drain: there is no file hooks/no.yml"),
        ("hooks: {drain: {file: '', sees: [a]}}", "hooks.drain: sees hosts and has no file"),
        ("hooks: {drain: {sees: [a]}}", "hooks.drain: needs the key file"),
        ("hooks: {drain: [a]}", "hooks.drain: must be a task file, or a mapping with file and"),
        ("hooks: {drain: {file: x, see: [a]}}", "hooks.drain.see: unknown key; did you mean sees"),
        ("hooks: {drain: {file: x, sees: lbs}}", "sees: must be a list of groups, or all, not 'l"),
        ("hooks: {drain: {file: x, sees: [1]}}", "hooks.drain.sees: must be a list of groups, or"),
        ("hooks: {drain: {file: x, sees: ['']}}", "hooks.drain.sees: '' is not a group name"),
        (
            "probes: [{name: a, kind: http, target: /health}]",
            "probes[0].target: is no address",
        ),
        ('probes: [{name: a, kind: command, target: " "}]', "probes[0].target: is empty"),
        (
            "probes: [{name: a, kind: unit, target: x, packages: [ok, '*']}]",
            "probes[0].packages[1]: is not a package name",
        ),
        ("rings: [{name: a, budget: 1000000001}]", "rings[0].budget: must be a number of hosts"),
        (
            "assign: {rules: [{ring: stagin, groups: [a]}]}",
            "assign.rules[0].ring: no ring 'stagin'; did you mean staging?",
        ),
        ("assign: {rules: [{ring: staging}]}", "assign.rules[0]: fits no host; give it groups or"),
        (
            "assign: {shares: {seed: x, staging: 5, canary: 5}}",
            "assign.shares: the shares sum to 10, not to 100",
        ),
        (
            "assign: {shares: {seed: x, stagin: 5, production: 95}}",
            "assign.shares.stagin: no ring 'stagin'; did you mean staging?",
        ),
        ("assign: {shares: {staging: 100}}", "assign.shares: needs the key seed"),
        (
            "assign: {shares: {seed: x, staging: 0.5}}",
            "assign.shares.staging: must be a whole percentage from 0 to 100, not 0.5",
        ),
        ("probes: [{name: a, kind: ping, target: b}]", "must be http, tcp, command or unit"),
        ("- a", "patchctl.yml:1: the file: must be a mapping (key: value)"),
        ("rings: [", "patchctl.yml:1: not valid YAML: "),
        ("a: 1\n b: 2", "patchctl.yml:2: not valid YAML: "),
        ("a: 1\n---\nb: 2", "not valid YAML: expected a single document in the stream"),
        ("state: !vault |\n  x", "state: the tag !vault has no meaning here"),
        ("? [a]\n: 1", "patchctl.yml:1: the file: a key must be text"),
        ("state: &a [*a]", "patchctl.yml:1: too many entries, or too deep inside each other"),
        ("state: " + "[" * 3000, "patchctl.yml:1: too many entries, or too deep"),
    ],
)
def test_a_mistake_names_its_line_and_how_to_fix_it(tmp_path: Path, text: str, line: str) -> None:
    messages = mistakes(tmp_path, text)
    assert any(line in each for each in messages), messages


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    expected = (DATA / "mistakes.expected").read_text().splitlines()
    assert mistakes(tmp_path, (DATA / "mistakes.yml").read_text()) == expected


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    text = "probes: [{name: on, kind: unit, target: 22:00, expect: no}]"
    (probe,) = settings(tmp_path, text).rings[0].probes
    assert (probe.name, probe.target, probe.expect) == ("on", "22:00", "no")


def test_aliases_that_grow_without_end_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    lines.append("inventory: [*a8]")
    assert any("too many entries" in line for line in mistakes(tmp_path, "\n".join(lines)))


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patchctl.yml"
    path.write_bytes(b"state: \xff")
    with pytest.raises(InvalidInputError, match=r"patchctl.yml: is not UTF-8 \(byte 7\)"):
        load(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InvalidInputError, match="is larger than 1 MiB"):
        load(path)


@given(st.text(alphabet="rings: []{}-nameabudget&*!|>\n\t\"'#%@,0123", max_size=80))
def test_any_text_loads_or_gives_lines_that_begin_with_file_and_line(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            settings(Path(folder), text)
        except InvalidInputError as error:
            for line in str(error).splitlines():
                assert line.startswith("patchctl.yml:")


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_durations_add_up(days: int, minutes: int, rest: int) -> None:
    assert seconds(f"{days}d{minutes}m{rest}s") == days * 86_400 + minutes * 60 + rest


@pytest.mark.parametrize("text", ["", "5", "h", "-5h", "5 h", "1.5h", "5h ", True, 5, None, []])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        seconds(text)


@given(st.integers(0, 100))
def test_amounts(number: int) -> None:
    assert amount(f"{number}%") == Amount(percent=number)
    assert amount(number) == Amount(hosts=number)


class TestFindWorkspace:
    def test_the_nearest_folder_above_with_settings_is_it(self, tmp_path: Path) -> None:
        (tmp_path / "patchctl.yml").touch()
        (tmp_path / "a" / "b").mkdir(parents=True)
        assert find_workspace(tmp_path / "a" / "b", tmp_path) == tmp_path.resolve()
        (tmp_path / "a" / "patchctl.yml").touch()
        assert find_workspace(tmp_path / "a" / "b", tmp_path) == (tmp_path / "a").resolve()

    def test_none_is_an_error_that_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"no patchctl\.yml here .*name one with -C"):
            find_workspace(tmp_path, tmp_path)

    def test_an_inventory_alone_makes_no_workspace(self, tmp_path: Path) -> None:
        (tmp_path / "inventory").mkdir()
        with pytest.raises(InvalidInputError, match=r"an empty patchctl\.yml beside inventory/"):
            find_workspace(tmp_path, tmp_path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="no such folder"):
            find_workspace(tmp_path / "gone", tmp_path)


def test_the_example_workspace_shows_the_defaults(tmp_path: Path) -> None:
    example = load(Path(__file__).parents[3] / "patchctl.yml")
    default = settings(tmp_path, "")
    without_probes = [msgspec.structs.replace(ring, probes=()) for ring in example.rings]
    assert tuple(without_probes) == default.rings
    assert (example.inventory, example.state) == (default.inventory, default.state)
    assert example.ansible == default.ansible
    assert example.plan_expires_s == default.plan_expires_s
    assert (example.unproven, example.allow_removals) == (default.unproven, False)
