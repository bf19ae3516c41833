"""Plans of real hosts: apt's answers, fetched files, and the reasons of left-out hosts."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patchctl.lab.handle import Lab
from patchctl.models.plan import Plan
from patchctl.plan import lockfile

pytestmark = pytest.mark.lab

# What docs/json.md says of `plan create`.
PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## plan create")[2].partition("\n## ")[0]
TOLD = re.findall(r"^\| `(\w+)` \|", SECTION, re.MULTILINE)

# apt as the host's root finds it first: /usr/local/sbin stands before /usr/bin.
NO_DOWNLOADS = """cat >/usr/local/sbin/apt-get <<'EOF'
#!/bin/sh
case " $* " in *' download '*) echo 'E: 403 Forbidden' >&2; exit 100 ;; esac
exec /usr/bin/apt-get "$@"
EOF
chmod 755 /usr/local/sbin/apt-get"""


def run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("patchctl")
    return subprocess.run(
        [program, "-C", workspace, *arguments], capture_output=True, text=True, check=False
    )


def create(workspace: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = run(workspace, "plan", "create", "-o", "json", *arguments)
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == TOLD
    return answer


def read(answer: dict[str, Any]) -> Plan:
    assert answer["path"] is not None, answer["left_out"]
    path = Path(answer["path"])
    return lockfile.decode(path.read_bytes(), str(path))


def store(workspace: Path) -> dict[str, Path]:
    return {path.name: path for path in (workspace / ".patchctl/store/sha256").glob("??/*")}


def left_out(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(row["host"], row["package"], row["reason"]) for row in answer["left_out"]}


def test_a_plan_of_the_security_updates(lab: Lab, workspace: Path) -> None:
    imported = run(workspace, "feeds", "import", str(lab.workspace / "lab/feed"))
    assert imported.returncode == 0, imported.stderr
    answer = create(workspace)
    assert answer["rings"] == {"staging": 2, "canary": 1, "production": 3}
    assert (answer["hosts"], answer["cohorts"], answer["unproven"]) == (6, 1, 0)
    path = Path(answer["path"])
    assert path.parent == workspace / "plans"

    plan = read(answer)
    assert plan.digest == answer["digest"]
    changes = {transition.package: transition for transition in plan.body.cohorts[0].transitions}
    web = changes["patchlab-web"]
    assert (web.from_, web.to, web.requested) == ("1.0-1", "1.0-2", True)
    assert "openssl" in changes
    assert ("staging-1", "patchlab-docs", "not-security") in left_out(answer)

    files = store(workspace)
    for change in changes.values():
        assert change.file is not None
        content = files.pop(change.file.sha256).read_bytes()
        assert hashlib.sha256(content).hexdigest() == change.file.sha256
        assert len(content) == change.file.size
    assert files == {}
    for host in lab.hosts():
        said = lab.check(host.name, "cat /etc/machine-id; ls -d /var/cache/patchctl* || true")
        planned = next(row for row in plan.body.hosts if row.name == host.name)
        assert said.split() == [planned.machine_id]

    # The same facts give the same plan, and nothing is fetched twice.
    again = run(workspace, "plan", "create", "--snapshot", answer["snapshot"], "-o", "json")
    assert json.loads(again.stdout)["digest"] == answer["digest"]
    assert "fetching" not in again.stderr

    # It names the CVEs that it removes, and by which feed.
    assert [feed.name for feed in plan.body.feeds] == ["changelog"]
    assert changes["patchlab-web"].cves == ("CVE-2099-10001",)
    assert len(changes["openssl"].cves) > 1
    assert changes["openssl"].cves == changes["libssl3"].cves
    assert answer["cves"] == sorted({cve for change in changes.values() for cve in change.cves})

    shown = run(workspace, "plan", "show", answer["digest"][7:13]).stdout
    assert "patchlab-web" in shown
    row = next(line for line in shown.splitlines() if line.startswith("openssl "))
    assert str(len(changes["openssl"].cves)) in row.split()
    assert run(workspace, "plan", "diff", answer["path"], answer["digest"]).stdout.startswith(
        "The plans are one"
    )

    # A CVE alone selects what removes it.
    from_it = ("--snapshot", answer["snapshot"])
    one_cve = create(workspace, "--cve", "cve-2099-10001", *from_it)
    assert [transition.package for transition in read(one_cve).body.cohorts[0].transitions] == [
        "patchlab-web"
    ]
    assert ("staging-1", "openssl", "not-selected") in left_out(one_cve)
    lost = run(workspace, "plan", "diff", answer["path"], one_cve["path"]).stdout
    assert "  - no longer removes CVE-" in lost
    nobody = run(workspace, "plan", "create", "--cve", "CVE-2099-99999", *from_it)
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert nobody.stderr.splitlines() == [
        "patchctl: --cve: no host has CVE-2099-99999; `patchctl explain CVE-2099-99999` tells why"
    ]
    nothing = create(workspace, "--decision", "act", *from_it)
    assert nothing["digest"] is None
    assert ("staging-1", "", "no-such-finding") in left_out(nothing)


def test_one_culprit_does_not_take_the_others_with_it(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("removes", "new-dep")
    fresh_lab.check("staging-1", "apt-mark hold openssl")
    answer = create(workspace, "--limit", "staging")
    assert {
        ("staging-1", "patchlab-store", "removes-package"),
        ("staging-2", "patchlab-store", "removes-package"),
        ("staging-1", "openssl", "held"),
        ("canary-1", "", "not-selected"),
    } <= left_out(answer)
    detail = {row["detail"] for row in answer["left_out"] if row["reason"] == "removes-package"}
    assert detail == {"would remove patchlab-legacy"}

    plan = read(answer)
    cohorts = {cohort.id: cohort.transitions for cohort in plan.body.cohorts}
    changes = {
        row.name: {cohort.package: cohort for cohort in cohorts[row.cohort]}
        for row in plan.body.hosts
    }
    assert "openssl" in changes["staging-2"]
    assert "openssl" not in changes["staging-1"]
    extra = changes["staging-1"]["patchlab-extra"]
    assert (extra.action.value, extra.from_, extra.requested) == ("new", "", False)
    assert "patchlab-app" in changes["staging-1"]


def test_policy_may_allow_removals(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("removes")
    settings = workspace / "patchctl.yml"
    settings.write_text(settings.read_text().replace("policy:", "policy:\n  allow_removals: true"))
    answer = create(workspace, "--package", "patchlab-store", "--limit", "staging-1")
    plan = read(answer)
    assert [
        (transition.package, transition.action.value, transition.from_, transition.to)
        for transition in plan.body.cohorts[0].transitions
    ] == [
        ("patchlab-legacy", "remove", "1.0-1", ""),
        ("patchlab-store", "upgrade", "1.0-1", "1.0-2"),
    ]


def test_hosts_fail_one_by_one(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.stop("production-1")
    # A dependency that cannot be had: apt refuses to plan anything on this host.
    inside = "/^Package: patchlab-docs$/,/^$/"
    edit = f"sed -i '{inside} s/^Version: .*$/&\\nDepends: nowhere/' /var/lib/dpkg/status"
    fresh_lab.check("production-2", edit)
    answer = create(workspace, "--limit", "production")
    assert answer["hosts"] == 1
    reasons = {(row["host"], row["reason"]): row["detail"] for row in answer["left_out"]}
    assert ("production-1", "unreachable") in reasons
    why = "patchlab-docs : Depends: nowhere but it is not installable"
    assert reasons["production-2", "resolve-failed"] == why


def test_a_large_file_comes_in_pieces_and_from_another_host_where_one_refuses(
    fresh_lab: Lab, workspace: Path
) -> None:
    fresh_lab.publish("big")
    fresh_lab.check("staging-1", NO_DOWNLOADS)
    limited = ("--package", "patchlab-big", "--limit")
    done = run(workspace, "plan", "create", *limited, "staging", "-o", "json")
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("fetching")]
    assert [line.rpartition(" ")[2] for line in said] == ["staging-1", *["staging-2"] * 2]
    assert json.loads(done.stdout)["hosts"] == 2

    # Where nobody else can fetch it, the host is left out with the host's own words.
    for path in store(workspace).values():
        path.unlink()
    answer = create(workspace, *limited, "staging-1", code=1)
    assert (answer["digest"], answer["path"], answer["hosts"]) == (None, None, 0)
    failed = [row for row in answer["left_out"] if row["reason"] == "fetch-failed"]
    assert [(row["host"], row["package"]) for row in failed] == [("staging-1", "patchlab-big")]
    assert "403 Forbidden" in failed[0]["detail"]
    assert store(workspace) == {}


def test_a_damaged_package_never_enters_the_store(fresh_lab: Lab, workspace: Path) -> None:
    # apt says that all is well and leaves another content than its index promised.
    fresh_lab.check(
        "staging-1",
        NO_DOWNLOADS.replace(
            "echo 'E: 403 Forbidden' >&2; exit 100",
            'for s; do :; done; echo bad >"${s%%=*}_${s#*=}_all.deb"; exit 0',
        ),
    )
    answer = create(workspace, "--package", "patchlab-web", "--limit", "staging-1", code=1)
    assert answer["digest"] is None
    failed = [row for row in answer["left_out"] if row["reason"] == "fetch-failed"]
    assert "another file" in failed[0]["detail"]
    assert store(workspace) == {}


def test_nothing_to_do_is_no_error(lab: Lab, workspace: Path) -> None:
    answer = create(workspace, "--package", "patchlab-web=1.0-1", "--limit", "staging-1")
    assert (answer["digest"], answer["path"], answer["hosts"]) == (None, None, 0)
    assert not (workspace / "plans").exists()
    assert ("staging-1", "", "up-to-date") in left_out(answer)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "--all", "--package", "x"], "exclude each other"),
        (["create", "--package", "a b"], "is not a package name"),
        (["create", "--limit", "nowhere"], "no such host or group"),
        (["create", "--out", "/nowhere/plans/x.lock"], "folder does not exist"),
        (["create", "--snapshot", "s-none"], "no snapshot"),
        (["show", "nowhere.lock"], "no plan 'nowhere.lock'"),
    ],
)
def test_wrong_commands_change_nothing(
    lab: Lab, workspace: Path, arguments: list[str], says: str
) -> None:
    done = run(workspace, "plan", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (workspace / "plans").exists()


def test_an_edited_plan_is_refused(lab: Lab, workspace: Path) -> None:
    path = Path(create(workspace, "--package", "patchlab-web", "--limit", "staging-1")["path"])
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"to": "1.0-2"', b'"to": "1.0-3"'))
    assert path.read_bytes() != before
    done = run(workspace, "plan", "show", str(path))
    assert done.returncode == 6
    assert "changed after it was made" in done.stderr
