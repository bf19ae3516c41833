"""Plans of real dnf hosts: dnf's answers, checked files, and the reasons of left-out hosts."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import NAME_ANOTHER_KEY

from patchctl.lab.handle import Lab
from patchctl.models.plan import Action, Plan, Transition
from patchctl.plan import lockfile

pytestmark = pytest.mark.lab

HOST = "staging-1"
REPOSITORY = "/etc/yum.repos.d/patchlab.repo"


@contextmanager
def published(lab: Lab, *channels: str) -> Iterator[None]:
    lab.publish(*channels)
    try:
        yield
    finally:
        lab.withdraw(*channels)


@contextmanager
def changed(lab: Lab, change: str, file: str) -> Iterator[None]:
    """Change `file` on the host by a command, for the time of the context."""
    lab.check(HOST, f"cp -p {file} /root/kept; {change}")
    try:
        yield
    finally:
        lab.check(HOST, f"cp -p /root/kept {file}")


def create(lab: Lab, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("patchctl"),
            *("-C", lab.workspace, "plan", "create", "-o", "json"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def read(answer: dict[str, Any]) -> Plan:
    assert answer["path"] is not None, answer["left_out"]
    path = Path(answer["path"])
    return lockfile.decode(path.read_bytes(), str(path))


def transitions(answer: dict[str, Any]) -> dict[str, Transition]:
    (cohort,) = read(answer).body.cohorts
    return {transition.package: transition for transition in cohort.transitions}


def why(answer: dict[str, Any], package: str = "") -> str:
    """Return the reason and detail for that package, or for the host."""
    row = next(row for row in answer["left_out"] if row["package"] == package)
    return f"{row['reason']}: {row['detail']}"


def test_a_plan_of_all_updates(rpm_lab: Lab) -> None:
    # dnf's own data aside, which is brought up to date, the host stays as it is.
    state = "rpm -qa | sort; cat /etc/dnf/modules.d/*; ls -d /var/cache/patchctl* || true"
    before = rpm_lab.check(HOST, state)
    with published(rpm_lab, "kernel", "module", "other-stream", "conflicts", "new-dep"):
        answer = create(rpm_lab, "--all")
    assert rpm_lab.check(HOST, state) == before

    by_name = transitions(answer)
    web, kernel, extra = (by_name[f"patchlab-{name}"] for name in ("web", "kernel", "extra"))
    assert (web.action, web.from_, web.to, web.origin) == (
        Action.UPGRADE, "1.0-1", "1.0-2", "patchlab",
    )  # fmt: skip
    assert (kernel.action, kernel.from_, kernel.to) == (Action.NEW, "", "1.0-2")
    assert (extra.action, extra.requested) == (Action.NEW, False)
    assert "patchlab-mod" in by_name
    assert not any(transition.unsigned for transition in by_name.values())
    stored = {
        path.name: path for path in (rpm_lab.workspace / ".patchctl/store/sha256").glob("??/*")
    }
    for transition in by_name.values():
        assert transition.file is not None
        content = stored[transition.file.sha256].read_bytes()
        assert hashlib.sha256(content).hexdigest() == transition.file.sha256
        assert len(content) == transition.file.size
    assert why(answer, "patchlab-strict") == "removes-package: would remove patchlab-loose"


def test_a_package_under_a_new_name_takes_the_place_of_the_old_one(rpm_lab: Lab) -> None:
    with published(rpm_lab, "obsoletes"):
        refused = create(rpm_lab, "--package", "patchlab-writer")
        settings = rpm_lab.workspace / "patchctl.yml"
        policy = settings.read_text()
        settings.write_text(policy.replace("\npolicy:\n", "\npolicy:\n  allow_removals: true\n"))
        try:
            by_name = transitions(
                create(rpm_lab, "--package", "patchlab-writer", "--snapshot", refused["snapshot"])
            )
        finally:
            settings.write_text(policy)
    said = "removes-package: would remove patchlab-editor"
    assert why(refused, "patchlab-writer") == said
    assert {name: transition.action for name, transition in by_name.items()} == {
        "patchlab-writer": Action.NEW,
        "patchlab-editor": Action.REMOVE,
    }


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("unsigned", "it is not signed, and its repository wants signatures (gpgcheck)"),
        ("unknown-key", "its signature does not hold: digests SIGNATURES NOT OK"),
        ("tampered", "its signature does not hold: DIGESTS SIGNATURES NOT OK"),
    ],
)
def test_a_file_without_a_good_signature_comes_into_no_plan(
    rpm_lab: Lab, channel: str, said: str
) -> None:
    with published(rpm_lab, channel):
        answer = create(rpm_lab, "--package", "patchlab-sign")
    assert answer["path"] is None
    assert why(answer, "patchlab-sign") == f"fetch-failed: {HOST}: {said}"


def test_a_key_that_the_repository_does_not_name_comes_into_no_plan(rpm_lab: Lab) -> None:
    """rpm trusts the key: other repositories may bring what they sign, not what this one brings."""
    with published(rpm_lab, "conffile"), changed(rpm_lab, NAME_ANOTHER_KEY, REPOSITORY):
        answer = create(rpm_lab, "--package", "patchlab-conf")
    assert answer["path"] is None
    assert why(answer, "patchlab-conf") == (
        f"fetch-failed: {HOST}: rpm trusts the key that it is signed by,"
        " and repository patchlab does not name it in gpgkey="
    )


def test_a_repository_without_signatures_makes_the_plan_say_unsigned(rpm_lab: Lab) -> None:
    with (
        published(rpm_lab, "unsigned"),
        changed(rpm_lab, f"sed -i s/^gpgcheck=1/gpgcheck=0/ {REPOSITORY}", REPOSITORY),
    ):
        answer = create(rpm_lab, "--package", "patchlab-sign")
    assert transitions(answer)["patchlab-sign"].unsigned


def test_a_repository_that_cannot_be_read_holds_the_host(rpm_lab: Lab) -> None:
    change = (
        f"printf '\\n[lost]\\nname=lost\\nbaseurl=http://me:secret@127.0.0.1:9/x\\n' >>{REPOSITORY}"
    )
    required = f"printf 'skip_if_unavailable=0\\n' >>{REPOSITORY}"
    with changed(rpm_lab, f"{change}; {required}", REPOSITORY):
        answer = create(rpm_lab)
    assert answer["path"] is None
    assert why(answer).startswith("stale-lists: ")
    assert "Curl error (7)" in why(answer)
    assert "secret" not in json.dumps(answer)


def test_a_setting_of_the_site_changes_nothing_that_is_planned(rpm_lab: Lab) -> None:
    settings = "strict=0\\nbest=0\\nassumeyes=1\\ninstall_weak_deps=1\\nskip_broken=1\\n"
    main = "/etc/dnf/dnf.conf"
    # The key that the repository's metadata are signed with was taken once, and lies in the cache.
    moved = "cp -a /var/cache/dnf /srv/moved; printf 'cachedir=/srv/moved\\n'"
    before = create(rpm_lab)
    with changed(rpm_lab, f"{{ {moved}; printf '{settings}'; }} >>{main}", main):
        after = create(rpm_lab)
    assert transitions(after) == transitions(before)
    assert rpm_lab.check(HOST, "rpm -q patchlab-web").strip() == "patchlab-web-1.0-1.noarch"


def test_a_broken_database_of_rpm_is_named(rpm_lab: Lab) -> None:
    snapshot = create(rpm_lab)["snapshot"]
    database = "/var/lib/rpm/rpmdb.sqlite"
    with changed(rpm_lab, f"printf nonsense | dd of={database} conv=notrunc 2>&1", database):
        answer = create(rpm_lab, "--snapshot", snapshot)
    assert answer["path"] is None
    assert why(answer).startswith("resolve-failed: the rpm database cannot be read: error: ")
    assert why(answer).endswith("`rpm --rebuilddb` there fixes it")
