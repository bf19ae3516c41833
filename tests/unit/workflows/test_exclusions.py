"""Exclusions: packages that the operator keeps out of plans, by which rule, shown where."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from plan_world import (
    facts,
    fleet,
    host,
    host_result,
    package,
    resolution,
    settings,
    snapshot,
    transition,
    update,
)

from patchctl.config.settings import load
from patchctl.errors import InvalidInputError, UsageError
from patchctl.inventory import exclude
from patchctl.models import canonical
from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import HostFacts
from patchctl.models.plan import (
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    Selection,
    SelectionMode,
    Transition,
)
from patchctl.models.requests import PackageRequest
from patchctl.models.settings import Settings
from patchctl.plan.accept import accept
from patchctl.plan.check import check
from patchctl.plan.diff import diff
from patchctl.plan.freeze import freeze, seal
from patchctl.plan.select import Selected, select
from patchctl.report import exclusion_lines, plan_diff_view, plan_view
from patchctl.workflows.exclusions import holding, of_options, unused

SSL = Exclusion(rule="--exclude", packages=("openssl",), reason="not tested")
ALL = Selection(mode=SelectionMode.ALL)
ABOUT = PlanAbout(created=1, author="op", tool="patchctl 0")


def selected(known: HostFacts, *rules: Exclusion, selection: Selection = ALL) -> Selected:
    return select(fleet(host("h")), snapshot(host_result("h", known)), selection, exclusions=rules)


def asked(result: Selected) -> list[str]:
    return [package.package for row in result.requests for package in row.wanted]


class TestSelect:
    KNOWN = facts(
        [package("libssl3", source="openssl"), package("openssl"), package("curl")],
        [update("libssl3"), update("openssl"), update("curl")],
    )

    def test_a_source_stands_for_all_its_binaries(self) -> None:
        result = selected(self.KNOWN, SSL)
        assert asked(result) == ["curl"]
        assert result.left_out == (
            LeftOut(
                host="h",
                reason=LeftOutReason.EXCLUDED,
                package="libssl3",
                version="1.0-2",
                detail="--exclude: not tested",
                rule="--exclude",
            ),
            LeftOut(
                host="h",
                reason=LeftOutReason.EXCLUDED,
                package="openssl",
                version="1.0-2",
                detail="--exclude: not tested",
                rule="--exclude",
            ),
        )

    @pytest.mark.parametrize("pattern", ["libssl3", "libssl*", "lib?sl[0-9]"])
    def test_a_binary_stands_for_itself(self, pattern: str) -> None:
        rule = Exclusion(rule="patch_exclude", packages=(pattern,))
        assert asked(selected(self.KNOWN, rule)) == ["curl", "openssl"]

    def test_the_first_rule_that_fits_counts(self) -> None:
        second = Exclusion(rule="policy.exclude[0]", packages=("libssl3", "curl"))
        rows = selected(self.KNOWN, SSL, second).left_out
        assert [(row.package, row.rule) for row in rows] == [
            ("curl", "policy.exclude[0]"),
            ("libssl3", "--exclude"),
            ("openssl", "--exclude"),
        ]

    def test_a_rule_of_another_host_excludes_nothing_here(self) -> None:
        rule = Exclusion(rule="patch_exclude", packages=("*",), hosts=("other",))
        assert asked(selected(self.KNOWN, rule)) == ["curl", "libssl3", "openssl"]

    def test_what_is_named_by_package_is_excluded_too(self) -> None:
        by_name = Selection(mode=SelectionMode.PACKAGE, packages=("openssl",))
        assert asked(selected(self.KNOWN, SSL, selection=by_name)) == []

    def test_what_nobody_asked_for_is_not_said_to_be_excluded(self) -> None:
        known = facts([package("openssl")], [update("openssl", security=False), update("curl")])
        result = selected(known, SSL, selection=Selection(mode=SelectionMode.SECURITY))
        assert [row.reason for row in result.left_out] == [LeftOutReason.NOT_SECURITY]

    def test_the_host_is_asked_to_hold_every_installed_one_pending_or_not(self) -> None:
        known = facts(
            [package("libssl3", source="openssl"), package("openssl"), package("curl")],
            [update("curl")],
        )
        (request,) = selected(known, SSL).requests
        assert request.exclusions == (SSL,)
        assert request.held == (
            PackageRequest(package="libssl3", arch="amd64", version="1.0-1"),
            PackageRequest(package="openssl", arch="amd64", version="1.0-1"),
        )

    def test_a_package_that_no_plan_can_name_stops_nobody(self) -> None:
        odd = package("openssl", version="1:" + "1" * 199)
        installed = [odd, package("libssl3", source="openssl"), package("curl")]
        (request,) = selected(facts(installed, [update("curl")]), SSL).requests
        assert [held.package for held in request.held] == ["libssl3"]

    def test_without_rules_nothing_is_held(self) -> None:
        (request,) = selected(self.KNOWN).requests
        assert (request.exclusions, request.held) == ((), ())


class TestSettle:
    def test_a_host_that_did_not_hold_them_is_left_out(self) -> None:
        # An update may bring a package of the source under a new name.
        lied = resolution("h", msgspec.structs.replace(transition("libssl4"), source="openssl"))
        result = accept([lied], {"h": facts()}, allow_removals=False, exclusions=(SSL,))
        assert result.taken == ()
        (row,) = result.left_out
        assert (row.reason, row.package, row.rule) == (LeftOutReason.EXCLUDED, "", "--exclude")
        assert row.detail == "would change libssl4, excluded by --exclude: not tested"

    def test_the_rules_of_other_hosts_do_not_count(self) -> None:
        rule = Exclusion(rule="patch_exclude", packages=("openssl",), hosts=("other",))
        taken = resolution("h", transition("openssl"))
        assert accept([taken], {"h": facts()}, allow_removals=False, exclusions=(rule,)).taken


# --- the plan ----------------------------------------------------------------------------------


def plan(
    changes: dict[str, Sequence[Transition]],
    left_out: Sequence[LeftOut] = (),
    *rules: Exclusion,
) -> Plan:
    rings = {"s": "staging", "c": "canary", "p": "production"}
    body = freeze(
        fleet=fleet(*(host(name, rings[name[0]]) for name in changes)),
        snapshot=snapshot(*(host_result(name, facts()) for name in changes)),
        selection=ALL,
        settings=settings(),
        resolutions=[resolution(name, *rows) for name, rows in changes.items()],
        left_out=left_out,
        exclusions=rules,
    )
    return seal(body, ABOUT)


def excluded(name: str, what: str, **more: Any) -> LeftOut:
    values = {"version": "1.0-2", "detail": "patch_exclude", "rule": "patch_exclude", **more}
    return LeftOut(host=name, reason=LeftOutReason.EXCLUDED, package=what, **values)


CURL, VIM = transition("curl"), transition("vim")


class TestPlan:
    def test_the_rules_are_part_of_what_is_frozen(self) -> None:
        with_rule = plan({"s1": [CURL]}, (), SSL)
        check(with_rule, "x")
        assert with_rule.body.exclusions == (SSL,)
        assert with_rule.digest != plan({"s1": [CURL]}).digest

    def test_a_plan_without_rules_has_the_bytes_of_before(self) -> None:
        assert b"exclusions" not in canonical.encode(plan({"s1": [CURL]}).body)

    def test_rules_of_hosts_that_the_plan_has_nothing_of_do_not_change_it(self) -> None:
        rule = Exclusion(rule="patch_exclude", packages=("vim",), hosts=("s1", "x1"))
        rows = (excluded("s1", "vim"),)
        assert plan({"s1": [CURL]}, rows, rule).body.exclusions[0].hosts == ("s1",)
        elsewhere = msgspec.structs.replace(rule, hosts=("x1",))
        assert plan({"s1": [CURL]}, (), elsewhere).digest == plan({"s1": [CURL]}).digest

    @pytest.mark.parametrize("pattern", ["$(reboot)", "a b", "-y", "", "{{ x }}", "\x1b[2J"])
    def test_a_hostile_pattern_is_refused_when_a_plan_is_read(self, pattern: str) -> None:
        made = plan({"s1": [CURL]}, (), msgspec.structs.replace(SSL, packages=(pattern,)))
        with pytest.raises(InvalidInputError, match=r"exclusions\[0\]"):
            check(made, "x")

    def test_what_is_excluded_in_an_early_ring_is_unproven_later_and_why_is_told(self) -> None:
        rule = Exclusion(rule="patch_exclude", packages=("vim",), hosts=("s1", "c1"))
        rows = (excluded("s1", "vim"), excluded("c1", "vim"))
        made = plan({"s1": [CURL], "c1": [CURL], "p1": [CURL, VIM]}, rows, rule)
        assert [(row.ring, row.package) for row in made.body.unproven] == [("production", "vim")]
        lines = plan_view.show(made)
        assert (
            "  production: vim 1.0-1 -> 1.0-2 on p1, excluded on c1, s1 by patch_exclude" in lines
        )

    def test_show_tells_rules_with_what_they_leave_out_and_packages_with_their_rule(self) -> None:
        rule = Exclusion(
            rule="policy.exclude[0]",
            packages=("perl",),
            reason="tests",
            owner="web",
            until="2027-01-31",
        )
        more = {"rule": rule.rule, "detail": rule.text}
        needs = {**more, "detail": f"needs perl, excluded by {rule.text}", "needs": ("perl",)}
        rows = (
            excluded("s1", "perl", **more),
            excluded("s1", "perl-base", **more),
            excluded("s1", "vim", **needs),
        )
        shown = "\n".join(plan_view.show(plan({"s1": [CURL]}, rows, rule, SSL)))
        assert (
            "Exclusions:\n"
            "  perl by policy.exclude[0] of web until 2027-01-31: tests; leaves out 3\n"
            "    packages on 1 host\n"
            "  openssl by --exclude: not tested; leaves out nothing"
        ) in shown
        assert "excluded: perl, perl-base on s1 (policy.exclude[0] of web until" in shown
        assert "excluded: vim on s1 (needs perl, excluded by policy.exclude[0] of" in shown

    def test_diff_tells_rules_and_what_they_leave_out(self) -> None:
        before = plan({"s1": [CURL, VIM]}, (), SSL)
        rule = Exclusion(rule="patch_exclude", packages=("vim",), hosts=("s1",))
        after = plan({"s1": [CURL]}, (excluded("s1", "vim"),), rule)
        lines = plan_diff_view.show(diff(before, after))
        assert "  + excludes vim by patch_exclude" in lines
        assert "  - excludes openssl by --exclude: not tested" in lines
        assert "  excluded: vim on s1 (patch_exclude)" in lines

    def test_another_rule_for_the_same_package_is_a_difference(self) -> None:
        before = plan({"s1": [CURL]}, (excluded("s1", "vim"),))
        after = plan({"s1": [CURL]}, (excluded("s1", "vim", rule="--exclude"),))
        assert [row.rule for row in diff(before, after).left_out_added] == ["--exclude"]

    def test_nothing_to_do_is_not_said_of_what_is_excluded(self) -> None:
        rows = [excluded("s1", "vim"), excluded("s2", "vim")]
        assert exclusion_lines.beside("nothing to do", []) == "nothing to do"
        assert exclusion_lines.beside("nothing to do", rows) == (
            "nothing to do; 1 package is excluded"
        )

    def test_nor_of_what_its_repository_does_not_bring_yet(self) -> None:
        rows = [
            LeftOut(host="s1", reason=LeftOutReason.PHASED, package=name) for name in ("vim", "ed")
        ]
        sentence = exclusion_lines.beside("nothing to do", [*rows, excluded("s1", "curl")])
        assert sentence == "nothing to do; 1 package is excluded; 2 packages wait for their phase"


# --- where rules come from -----------------------------------------------------------------------


def policy(folder: Path, text: str) -> Settings:
    (folder / "patchctl.yml").write_text(text)
    return load(folder / "patchctl.yml")


ENTRY = "{packages: [perl, 'lib*'], reason: tests, owner: web, until: 2027-01-31}"


class TestSettings:
    def test_an_entry_is_a_rule(self, tmp_path: Path) -> None:
        assert policy(tmp_path, f"policy:\n  exclude:\n    - {ENTRY}\n").exclude == (
            Exclusion(
                rule="policy.exclude[0]",
                packages=("perl", "lib*"),
                reason="tests",
                owner="web",
                until="2027-01-31",
            ),
        )

    def test_who_why_and_until_when_must_be_said(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError) as caught:
            policy(tmp_path, "policy:\n  exclude:\n    - packages: [perl]\n")
        assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
            "policy.exclude[0]: needs the key owner",
            "policy.exclude[0]: needs the key reason",
            "policy.exclude[0]: needs the key until",
        ]

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            (ENTRY.replace("perl", "'a b'"), "must be a package's name or a pattern"),
            (ENTRY.replace("[perl, 'lib*']", "[]"), "names no package"),
            (ENTRY.replace("2027-01-31", "2027-02-30"), "there is no day 2027-02-30"),
            (ENTRY.replace("tests", "' '"), "must be text that says something"),
        ],
    )
    def test_mistakes_have_their_line(self, tmp_path: Path, entry: str, says: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            policy(tmp_path, f"policy:\n  exclude:\n    - {entry}\n")
        assert str(caught.value).startswith("patchctl.yml:3: policy.exclude[0]")
        assert says in str(caught.value)


class TestInventory:
    @pytest.mark.parametrize(
        ("value", "patterns"),
        [("nginx", ("nginx",)), (["nginx*", "perl"], ("nginx*", "perl")), (None, ()), ([], ())],
    )
    def test_names_and_patterns(self, value: object, patterns: tuple[str, ...]) -> None:
        assert exclude.patterns({"patch_exclude": value}) == patterns

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("{{ lookup('pipe', 'touch x') }}", "not a template"),
            (["{{ x }}"], "not a template"),
            ("$(reboot)", "which is not a package name"),
            ("nginx perl", "which is not a package name"),
            ("", "which is not a package name"),
            ("a\nwant b c 1", "which is not a package name"),
            (7, "must be a package's name"),
            ([["nginx"]], "must be a package's name"),
            ({"__ansible_vault": "x"}, "must be a package's name"),
        ],
    )
    def test_what_cannot_be_read_lets_nothing_through(self, value: object, says: str) -> None:
        with pytest.raises(exclude.ExcludeError, match=says):
            exclude.patterns({"patch_exclude": value})

    def test_hosts_that_agree_have_one_rule(self) -> None:
        host_b, host_a, host_c = (
            msgspec.structs.replace(host(name), variables={"patch_exclude": value})
            for name, value in (("b", ["vim"]), ("a", "vim"), ("c", "perl"))
        )
        assert exclude.rules([host_b, host_a, host_c]) == (
            Exclusion(rule="patch_exclude", packages=("perl",), hosts=("c",)),
            Exclusion(rule="patch_exclude", packages=("vim",), hosts=("a", "b")),
        )

    def test_where_the_variable_cannot_be_read_everything_is_excluded(self) -> None:
        lost = msgspec.structs.replace(host("a"), variables={"patch_exclude": "{{ frozen }}"})
        assert exclude.rules([lost]) == (
            Exclusion(rule="patch_exclude", packages=("*",), hosts=("a",)),
        )


class TestHolding:
    RULE = Exclusion(rule="policy.exclude[0]", packages=("perl",), until="2027-01-31")

    def test_those_of_the_command_come_first_then_the_inventory_then_the_settings(self) -> None:
        here = msgspec.structs.replace(host("a"), variables={"patch_exclude": "vim"})
        known = msgspec.structs.replace(settings(), exclude=(self.RULE,))
        rules = holding(known, fleet(here), "2026-01-01", (SSL,)).rules
        assert [rule.rule for rule in rules] == ["--exclude", "patch_exclude", "policy.exclude[0]"]

    @pytest.mark.parametrize(("day", "holds"), [("2027-01-31", True), ("2027-02-01", False)])
    def test_the_last_day_counts_and_the_day_after_it_is_said(self, day: str, holds: bool) -> None:
        known = msgspec.structs.replace(settings(), exclude=(self.RULE,))
        answer = holding(known, fleet(host("a")), day)
        assert (answer.rules == (self.RULE,)) is holds
        assert answer.warnings == (
            ()
            if holds
            else ("policy.exclude[0] ended on 2027-01-31 and excludes nothing any more: perl",)
        )

    def test_a_pattern_that_fits_nothing_is_told(self) -> None:
        seen = snapshot(
            host_result("a", facts([package("perl-base", source="perl")])), host_result("b", None)
        )
        rule = msgspec.structs.replace(self.RULE, packages=("perl", "prel", "libnew*"))
        new = excluded("a", "vim", needs=("libnew1",))
        assert list(unused([rule], seen, None, [new])) == [
            "policy.exclude[0] prel fits no package that is installed on these hosts"
        ]

    def test_a_rule_of_hosts_that_are_not_looked_at_is_not_judged(self) -> None:
        rule = Exclusion(rule="patch_exclude", packages=("prel",), hosts=("b",))
        seen = snapshot(host_result("a", facts([package("perl")])), host_result("b", facts()))
        assert list(unused([rule], seen, ("a",), [])) == []


class TestCommand:
    def test_patterns_with_their_reason(self) -> None:
        assert of_options(["vim*", "curl", "vim*"], " frozen ") == (
            Exclusion(rule="--exclude", packages=("curl", "vim*"), reason="frozen"),
        )
        assert of_options([], "") == ()

    @pytest.mark.parametrize(
        ("patterns", "reason", "says"),
        [
            (["vim"], "", "--exclude needs --reason"),
            (["vim"], "  ", "--exclude needs --reason"),
            ([], "frozen", "--reason without --exclude"),
            (["a b"], "frozen", "'a b' is not a package name or pattern"),
            ([""], "frozen", "'' is not a package name or pattern"),
            (["$(reboot)"], "frozen", "is not a package name or pattern"),
        ],
    )
    def test_what_means_nothing_is_refused(
        self, patterns: list[str], reason: str, says: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            of_options(patterns, reason)
        assert says in str(caught.value)
