"""Exclusions on real hosts: packages that stay as they are, and updates left out with them."""

from pathlib import Path

import pytest
from managed import kind_of, over
from test_plan import create, left_out, read, run

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

POLICY = """policy:
  exclude:
    - {packages: [patchlab-docs], reason: over, owner: web, until: "2026-01-31"}
    - {packages: [@CERTIFIED@], reason: certified, owner: web, until: "2126-01-31"}"""
# What a hold, a pin or a lock would leave behind.
HELD = {
    "debian": "apt-mark showhold; dpkg --get-selections | grep -v install;"
    " ls /etc/apt/preferences.d",
    "rpm": "cat /etc/dnf/dnf.conf /etc/dnf/plugins/versionlock.* /etc/yum.repos.d/*",
}
# What is excluded by the name of its source, and the packages made from that.
CERTIFIED = {
    "debian": ("openssl", {"openssl", "libssl3"}),
    "rpm": ("patchlab-big", {"patchlab-big"}),
}


@over("debian")
def test_what_is_excluded_stays_with_all_that_needs_it(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("new-dep", "big")
    kind = kind_of(fresh_lab)
    held, (certified, made) = HELD[kind], CERTIFIED[kind]
    policy = POLICY.replace("@CERTIFIED@", certified)
    settings = workspace / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:", policy))
    variables = workspace / "inventory/group_vars/staging.yml"
    variables.parent.mkdir(exist_ok=True)
    variables.write_text("patch_exclude: [patchlab-w?b]\n")
    fresh_lab.check("staging-1", f"({held}) >/root/before 2>&1 || true")

    names = [f"--package={name}" for name in (certified, "patchlab-app", "patchlab-docs")]
    rule = ("--exclude", "patchlab-extra", "--reason", "nothing new")
    hosts = ("--limit", "staging-1:production-1")
    answer = create(workspace, *names, "--package=patchlab-web", *rule, *hosts)
    # Of the host, of the settings by the name of the source, and for what it would bring along.
    rows = {
        (row["host"], row["package"]): (row["rule"], tuple(row["needs"]))
        for row in answer["left_out"]
        if row["reason"] == "excluded"
    }
    assert rows["staging-1", "patchlab-web"] == ("patch_exclude", ())
    for name in made:
        assert rows["production-1", name] == ("policy.exclude[1]", ())
    assert rows["production-1", "patchlab-app"] == ("--exclude", ("patchlab-extra",))
    assert ("production-1", "patchlab-web") not in rows

    # None of them is in any transaction; what only staging excludes is unproven in production.
    plan = read(answer)
    changes = {
        row.name: {transition.package for transition in cohort.transitions}
        for row in plan.body.hosts
        for cohort in plan.body.cohorts
        if cohort.id == row.cohort
    }
    gone = {*made, "patchlab-app", "patchlab-extra"}
    assert all(gone.isdisjoint(packages) for packages in changes.values())
    assert "patchlab-docs" in changes["staging-1"]
    assert [(gap.ring, gap.package) for gap in plan.body.unproven] == [
        ("production", "patchlab-web")
    ]
    shown = " ".join(run(workspace, "plan", "show").stdout.split())
    assert "excluded on staging-1 by patch_exclude" in shown
    assert "needs patchlab-extra, excluded by --exclude: nothing new" in shown

    # Nothing is held or pinned on the host, and the rule that has ended is told.
    assert fresh_lab.check("staging-1", f"({held}) 2>&1 | diff /root/before -") == ""
    again = run(workspace, "plan", "create", "--snapshot", "latest", "--package", "patchlab-app")
    assert (
        "policy.exclude[0] ended on 2026-01-31 and excludes nothing any more: patchlab-docs"
        in again.stderr
    )
    # The same update without that rule: the first plan is told from it by its rules.
    diff = run(workspace, "plan", "diff", answer["path"], again.stdout.split()[1].rstrip(":"))
    assert "  - excludes patchlab-extra by --exclude: nothing new" in diff.stdout
    assert "  + patchlab-extra new, 1.0-1 on production-1, staging-1" in diff.stdout
    assert left_out(answer) >= {("canary-1", "", "not-selected")}
