"""The findings of `inventory lint`: one class for each rule."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import facts

from patchctl.inventory.lint import Context, lint
from patchctl.inventory.lint.templates import extra_variable_names, needed_names, plain
from patchctl.inventory.load import survey
from patchctl.inventory.source_map import Source, SourceMap
from patchctl.models.facts import HostFacts, OsRelease
from patchctl.models.lint import Level, LintReport
from patchctl.models.policy import Probe, ProbeKind
from patchctl.models.settings import Assignment, Rule
from patchctl.models.unsafe import Unsafe
from patchctl.report.inventory_view import findings, lint_summary

RINGS = ("staging", "canary", "production")
Groups = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
IN = {ring: {"patch_ring": ring} for ring in RINGS}
GOOD: dict[str, dict[str, Any]] = {"s1": IN["staging"], "c1": IN["canary"], "p1": IN["production"]}


@dataclass(frozen=True)
class Raw:
    hosts: Mapping[str, dict[str, Any]]
    groups: Groups = field(default_factory=dict)


def context(
    hosts: Mapping[str, dict[str, Any]] | None = None, groups: Groups | None = None, **more: Any
) -> Context:
    """The good fleet, with these hosts and groups added."""
    rules = more.get("assignment", Assignment())
    raw = Raw({**GOOD, **(hosts or {})}, groups or {})
    fleet, refusals = survey(raw, sources=("inventory/",), rings=RINGS, assignment=rules)
    return Context(fleet=fleet, refusals=refusals, **more)


def found_by_lint(where: Context) -> list[tuple[str, str]]:
    return [(finding.rule, finding.message) for finding in lint(where)]


def rules(where: Context) -> list[str]:
    return [finding.rule for finding in lint(where)]


def test_a_good_inventory_has_no_findings() -> None:
    assert rules(context(groups={"web": (("s1", "c1", "p1"), ())})) == []


class TestRings:
    def test_a_host_without_a_ring(self) -> None:
        ((rule, message),) = found_by_lint(context({"x": {}}))
        assert rule == "no-ring"
        assert message.startswith("host x has no ring: no patch_ring")

    def test_a_host_in_two_rings_is_told_once(self) -> None:
        groups: Groups = {"staging": (("x",), ()), "canary": (("x",), ())}
        assert found_by_lint(context({"x": {}}, groups)) == [
            ("two-rings", "host x: is in the groups of 2 rings: staging, canary")
        ]
        both: Groups = {"canary": (("x",), ())}
        assert rules(context({"x": IN["staging"]}, both)) == ["two-rings"]

    @pytest.mark.parametrize("value", ["prod", 1, "{{ ring }}"])
    def test_a_ring_that_is_none(self, value: Any) -> None:
        assert rules(context({"x": {"patch_ring": value}})) == ["unknown-ring"]

    def test_a_name_that_patchctl_refuses(self) -> None:
        assert rules(context({"a b": IN["canary"]})) == ["host-name"]

    def test_a_ring_without_hosts_is_a_warning_at_its_line(self) -> None:
        where = context({"c1": IN["staging"]}, settings_line=lambda path: f"patchctl.yml:{path}")
        (finding,) = lint(where)
        assert (finding.rule, finding.level) == ("empty-ring", Level.WARNING)
        assert finding.message == "ring canary has no host"
        assert finding.where == "patchctl.yml:('rings', 1)"


class TestUnknownGroup:
    def test_in_a_rule(self) -> None:
        assignment = Assignment(rules=(Rule(ring="canary", groups=("web", "wbe", "all")),))
        where = context(groups={"web": (("s1", "c1"), ())}, assignment=assignment)
        assert found_by_lint(where) == [
            ("unknown-group", "rule 1 names the group wbe, which the inventory has not")
        ]

    def test_in_a_probe(self) -> None:
        probe = Probe(name="up", kind=ProbeKind.TCP, target="80", groups=("wbe",))
        assert rules(context(probes=(probe,))) == ["unknown-group"]


class TestDuplicates:
    @pytest.mark.parametrize(
        ("variables", "other_variables"),
        [
            ({"ansible_host": "10.0.0.1"}, {"ansible_host": "10.0.0.1", "ansible_port": 22}),
            ({"ansible_host": "A.example.com."}, {"ansible_host": "a.example.com"}),
            ({"ansible_host": "::1"}, {"ansible_host": "[0::1]"}),
            ({}, {"ansible_host": "x"}),
            ({"ansible_host": "{{ net }}.1", "net": "10.0.0"}, {"ansible_host": "10.0.0.1"}),
            ({"ansible_host": "{{ inventory_hostname }}.org"}, {"ansible_host": "x.org"}),
        ],
    )
    def test_one_address_and_port(
        self, variables: dict[str, Any], other_variables: dict[str, Any]
    ) -> None:
        where = context(
            {"x": {**IN["canary"], **variables}, "y": {**IN["canary"], **other_variables}}
        )
        ((rule, message),) = found_by_lint(where)
        assert rule == "duplicate-address"
        assert message.startswith("hosts x, y have one address")

    @pytest.mark.parametrize(
        "other",
        [
            {"ansible_port": 2222},
            {"ansible_host": "10.0.0.2"},
            {"ansible_host": "{{ lookup('env', 'X') }}"},
            {"ansible_ssh_common_args": "-o ProxyJump=other-site"},
            {"ansible_connection": "community.docker.docker"},
        ],
    )
    def test_another_port_address_or_way_is_another_host(self, other: dict[str, Any]) -> None:
        base = {**IN["canary"], "ansible_host": "10.0.0.1"}
        assert rules(context({"x": base, "y": {**base, **other}})) == []

    def test_one_machine_by_the_newest_snapshot(self) -> None:
        same = {"s1": fact(machine="m"), "c1": fact(machine="m"), "p1": fact(machine="")}
        assert found_by_lint(context(facts=same)) == [
            (
                "duplicate-machine",
                "hosts c1, s1 are one machine: the newest snapshot has one machine-id",
            )
        ]

    def test_one_address_and_one_machine_is_told_once(self) -> None:
        base = {**IN["canary"], "ansible_host": "10.0.0.1"}
        same = {"x": fact(machine="m"), "y": fact(machine="m")}
        assert rules(context({"x": base, "y": base}, facts=same)) == ["duplicate-address"]


class TestConnectionVariables:
    def test_an_undefined_one_is_told_once_for_all_hosts_of_its_line(self) -> None:
        source_map = SourceMap([Source("group_vars/web.yml", "ansible_user: '{{ login }}'\n")])
        base = {**IN["canary"], "ansible_user": "{{ login }}"}
        where = context(
            {"x": base, "y": base}, {"web": (("x", "y", "s1"), ())}, source_map=source_map
        )
        (error,) = [finding for finding in lint(where) if finding.level is Level.ERROR]
        assert error.rule == "undefined-variable"
        assert (
            error.message == "ansible_user of x, y needs the variable login, which nothing defines"
        )
        assert error.where == "group_vars/web.yml:1"
        assert error.hosts == ("x", "y")

    @pytest.mark.parametrize(
        "variables",
        [
            {"ansible_user": "{{ login }}", "login": "ops"},
            {"ansible_user": "{{ login | default('ops') }}"},
            {"ansible_user": "{{ login if login is defined else 'ops' }}"},
            {"ansible_host": "{{ inventory_hostname }}"},
            {"ansible_user": "{{ lookup('env', 'LOGIN') }}"},
            {"ansible_user": "{% set a = 'ops' %}{{ a }}"},
            {"ansible_user": Unsafe("{{ login }}")},
            {"ansible_password": {"__ansible_vault": "{{ login }}"}},
            {"motd": "{{ login }}"},
        ],
    )
    def test_what_is_defined_or_need_not_be(self, variables: dict[str, Any]) -> None:
        assert rules(context({"x": {**IN["canary"], **variables}})) == []

    def test_through_another_variable(self) -> None:
        chain = {"ansible_user": "{{ a }}", "a": "{{ b }}", "b": "{{ a }}{{ c }}"}
        ((_, message),) = found_by_lint(context({"x": {**IN["canary"], **chain}}))
        assert message == "ansible_user of x needs the variable c, which nothing defines"

    def test_a_fact_is_not_there_when_hosts_are_reached(self) -> None:
        where = {**IN["canary"], "ansible_host": "{{ ansible_default_ipv4.address }}"}
        assert rules(context({"x": where})) == ["undefined-variable"]

    def test_extra_variables_define_it(self) -> None:
        where = context({"x": {**IN["canary"], "ansible_user": "{{ login }}"}})
        assert rules(replace(where, extra_variables=extra_variable_names(["login=ops"]))) == []
        assert rules(replace(where, extra_variables=extra_variable_names(["@file.yml"]))) == []
        assert rules(replace(where, extra_variables=extra_variable_names(["other=1"]))) == [
            "undefined-variable"
        ]

    def test_a_broken_template(self) -> None:
        where = context({"x": {**IN["canary"], "ansible_user": "{{ login"}})
        assert rules(where) == ["broken-template"]


class TestPasswords:
    @pytest.mark.parametrize(
        "key", ["ansible_password", "ansible_become_password", "ansible_ssh_pass"]
    )
    @pytest.mark.parametrize(
        "source",
        [
            Source("group_vars/all.yml", "\n{key}: hunter2\n"),
            Source("hosts.ini", "[web]\nweb1 {key}=hunter2\n"),
            Source("hosts.yml", "web:\n  hosts: {{web1: {{{key}: hunter2}}}}\n"),
            Source("hosts.yml", "web:\n  vars: {{{key}: 12345}}\n"),
        ],
        ids=["group_vars", "ini", "yaml host", "yaml group"],
    )
    def test_in_plain_text_at_its_line_and_not_repeated(self, source: Source, key: str) -> None:
        source_map = SourceMap([Source(source.name, source.text.format(key=key))])
        (finding,) = lint(context(source_map=source_map))
        assert (finding.rule, finding.level) == ("plain-password", Level.ERROR)
        assert finding.where == f"{source.name}:2"
        assert key in finding.message
        assert "hunter2" not in str(finding)

    @pytest.mark.parametrize(
        "text",
        [
            "ansible_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n",
            "ansible_password: \"{{ lookup('env', 'PW') }}\"\n",
            "ansible_password:\n",
            "ansible_user: hunter2\n",
            "$ANSIBLE_VAULT;1.1;AES256\n3000\n",
        ],
    )
    def test_what_is_no_plain_password(self, text: str) -> None:
        source_map = SourceMap([Source("group_vars/all.yml", text)])
        assert rules(context(source_map=source_map)) == []

    def test_a_variable_that_a_password_is_taken_from(self) -> None:
        text = "ansible_password: '{{ site_pw }}'\nsite_pw: '{{ old_pw }}'\nold_pw: hunter2\n"
        (finding,) = lint(context(source_map=SourceMap([Source("group_vars/all.yml", text)])))
        assert (finding.message, finding.where) == (
            "old_pw of group all stands in plain text",
            "group_vars/all.yml:3",
        )


class TestStrata:
    def test_an_operating_system_that_only_the_last_ring_has(self) -> None:
        where = context(facts={"s1": fact(), "c1": fact(), "p1": fact("rocky", "8.10")})
        ((rule, message),) = found_by_lint(where)
        assert rule == "os-not-early"
        assert message.startswith("rocky 8.10 is in production only (p1)")

    def test_nothing_is_said_of_hosts_that_nobody_looked_at(self) -> None:
        assert rules(context(facts={"s1": fact()})) == []

    def test_a_role_that_only_the_last_ring_has(self) -> None:
        groups: Groups = {"db": (("p1",), ()), "web": (("s1", "p1"), ())}
        assert [rule for rule, _ in found_by_lint(context(groups=groups))] == ["role-not-early"]

    @pytest.mark.parametrize("ring", ["staging", "canary"])
    def test_all_of_a_role_in_one_ring(self, ring: str) -> None:
        where = context({"d1": IN[ring], "d2": IN[ring]}, {"db": (("d1", "d2"), ())})
        ((rule, message),) = found_by_lint(where)
        assert rule == "role-in-one-ring"
        assert f"group db: all 2 hosts are in {ring}" in message

    def test_groups_of_the_same_hosts_are_told_together(self) -> None:
        groups: Groups = {"db": (("p1",), ()), "data": ((), ("db",))}
        ((_, message),) = found_by_lint(context(groups=groups))
        assert message.startswith("groups data, db: in production only (p1)")

    def test_a_group_that_stands_for_a_ring_and_one_of_all_hosts_are_no_roles(self) -> None:
        groups: Groups = {"production": (("p1",), ()), "site": (tuple(GOOD), ())}
        assert rules(context(groups=groups)) == []


class TestText:
    def test_a_finding_is_one_line_that_editors_understand(self) -> None:
        source_map = SourceMap([Source("inventory/hosts.ini", "x\n")])
        found_by_lint = lint(context({"x": {}}, source_map=source_map))
        report = LintReport(findings=found_by_lint, errors=1, warnings=0, hosts=4, facts=1)
        (line,) = findings(report)
        assert line.startswith("inventory/hosts.ini:1: error no-ring: host x has no ring: ")
        assert lint_summary(report) == (
            "4 hosts: 1 error, 0 warnings; no facts of 3 hosts, `patchctl discover` learns them"
        )

    def test_errors_come_first(self) -> None:
        levels = [finding.level for finding in lint(context({"c1": IN["staging"], "x": {}}))]
        assert levels == [Level.ERROR, Level.WARNING]


def fact(os: str = "debian", version: str = "12", machine: str = "") -> HostFacts:
    return msgspec.structs.replace(
        facts(), os=OsRelease(id=os, version_id=version), machine_id=machine
    )


@given(st.text("{}%ab |.'()", max_size=20))
def test_no_template_is_too_odd(text: str) -> None:
    assert "{{" not in (plain(text, {"a": "{{ b }}", "b": "{{ a }}"}) or "")
    with contextlib.suppress(ValueError):
        assert all(name in text for name in needed_names(text))


def test_an_exclusion_that_cannot_be_read_is_an_error() -> None:
    where = context({"s2": {**IN["staging"], "patch_exclude": ["$(reboot)"]}})
    assert (
        "bad-exclude",
        "host s2: patch_exclude says '$(reboot)', which is not a package name or pattern",
    ) in found_by_lint(where)
