"""The request to a host: each value is safe in a shell script, or is refused."""

import subprocess
from typing import Any

import pytest
from executor_world import OLD_SUM, PROBES, SUM, planned, policy, upgrade, work
from hypothesis import given
from hypothesis import strategies as st

from patchctl.errors import InvalidInputError
from patchctl.models.facts import Boot, PackageManager
from patchctl.models.plan import Action, Artifact, Transition
from patchctl.models.policy import Probe, ProbeKind
from patchctl.models.rollout import Stage
from patchctl.protocol import payloads


def payload(*transitions: Transition, **changes: Any) -> str:
    values: dict[str, Any] = {
        "run": "r-1",
        "work": work(),
        "host": planned("web1"),
        "manager": PackageManager.APT,
        "transitions": transitions or (upgrade(),),
        "policy": policy(),
        "now": 1_800_000_000,
    }
    return payloads.payload(Stage.APPLY, **{**values, **changes})


def test_a_payload_is_lines_that_end_with_end() -> None:
    old = payloads.StoredFile(
        package="openssl",
        arch="amd64",
        version="3.0.20-1~deb12u2",
        file=Artifact(name="openssl_3.0.20-1~deb12u2_amd64.deb", size=9, sha256=OLD_SUM),
    )
    boot = Boot(boot_id="aebc08a8-50c5-4e76-99c5-a6aeb8d8c548", pid1_start=42)
    text = payload(
        upgrade(),
        Transition(package="old", arch="all", action=Action.REMOVE, from_="1"),
        upgrade("extra", action=Action.NEW, from_="", requested=False),
        work=work(boot=boot),
        stored=[old],
        pushed=True,
        probes=PROBES,
    )
    assert text.splitlines() == [
        "patchctl 1",
        "stage apply",
        "manager apt",
        "run r-1",
        "transaction r-1-web1",
        "fence 2",
        "now 1800000000",
        "attach 12",
        "call 74",
        "lock-wait 120",
        "limit 3600",
        "settle 15",
        "updaters refuse",
        "rollback-ready require",
        "pushed yes",
        "attempt 1",
        "look no",
        "machine-id 0123456789abcdef0123456789abcdef",
        "boot aebc08a8-50c5-4e76-99c5-a6aeb8d8c548 42",
        "package openssl amd64 upgrade 3.0.20-1~deb12u2 1:3.0.22-1 yes"
        f" openssl_1%3a3.0.22-1_amd64.deb 1234 {SUM}",
        "package old all remove 1 - no - - -",
        f"package extra amd64 new - 1:3.0.22-1 no extra_1%3a3.0.22-1_amd64.deb 1234 {SUM}",
        f"stored openssl amd64 3.0.20-1~deb12u2 openssl_3.0.20-1~deb12u2_amd64.deb 9 {OLD_SUM}",
        "probe 1 http 30 http://localhost:8080/ - -",
        "probe 2 command 30 test\\0040\\0055e\\0040\\0047/etc/a\\0040b\\0047\\0073\\0040echo"
        "\\0040\\0042\\0044HOME\\0042 - -",
        "end",
    ]


def test_only_a_check_says_that_nothing_may_change() -> None:
    assert "only-check yes" in payload(upgrade(), work=work(check=True)).splitlines()
    assert "only-check" not in payload(upgrade(), work=work())


def test_where_repositories_have_names_each_new_file_has_that_of_its_own() -> None:
    told = payload(
        upgrade(origin="baseos"),
        upgrade("extra", origin="epel", unsigned=True),
        Transition(package="old", arch="all", action=Action.REMOVE, from_="1"),
        manager=PackageManager.DNF,
    ).splitlines()
    assert [line for line in told if line.startswith(("repository", "unsigned"))] == [
        "repository openssl amd64 baseos",
        "repository extra amd64 epel",
        "unsigned extra amd64",
    ]
    with pytest.raises(InvalidInputError):
        payload(upgrade(origin="../keys"), manager=PackageManager.DNF)


@pytest.mark.parametrize(
    "bad",
    [
        {"package": "-o=Dir"},
        {"package": "a b"},
        {"package": "$(reboot)"},
        {"package": "a\nend"},
        {"arch": "amd64;"},
        {"from_": "1 2"},
        {"from_": ""},
        {"to": "`id`"},
        {"file": None},
        {"file": Artifact(name="../../etc/passwd", size=1, sha256=SUM)},
        {"file": Artifact(name="a/b.deb", size=1, sha256=SUM)},
        {"file": Artifact(name=".deb", size=1, sha256=SUM)},
        {"file": Artifact(name="a.deb", size=1, sha256="z" * 64)},
    ],
)
def test_what_could_mean_something_to_a_shell_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        payload(upgrade(**bad))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "claim", "lock", "a\n"])
def test_a_transaction_names_a_folder_of_its_own(name: str) -> None:
    with pytest.raises(InvalidInputError):
        payload(work=work(transaction=name))


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (ProbeKind.HTTP, "file:///etc/shadow"),
        (ProbeKind.HTTP, "http://a b/"),
        (ProbeKind.TCP, "-oProxyCommand=x:1"),
        (ProbeKind.TCP, "host"),
        (ProbeKind.UNIT, "--version"),
        (ProbeKind.UNIT, "a b.service"),
    ],
)
def test_a_probe_asks_only_for_what_its_kind_can_ask(kind: ProbeKind, target: str) -> None:
    with pytest.raises(InvalidInputError):
        payload(probes=[Probe(name="x", kind=kind, target=target)])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_an_operators_text_is_one_word_that_the_shell_reads_back(text: str) -> None:
    word = payloads.escaped(text)
    assert word and not set(word) - set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:_=\\-"
    )
    if text and not text.endswith("\n") and word != "-":
        shown = subprocess.run(
            ["/bin/sh", "-c", 'printf "%b" "$1"', "sh", word], capture_output=True, check=True
        )
        assert shown.stdout == text.encode()


def test_a_probe_for_groups_is_asked_in_them_and_one_for_packages_where_the_host_has_them() -> None:
    grouped = Probe(name="g", kind=ProbeKind.UNIT, target="a", groups=("web",), packages=("nginx",))
    assert payloads.applies(grouped, ["web", "x"]) == Probe(
        name="g", kind=ProbeKind.UNIT, target="a"
    )
    assert payloads.applies(grouped, ["db"]) == grouped
    alone = Probe(name="g", kind=ProbeKind.UNIT, target="a", groups=("web",))
    assert payloads.applies(alone, ["db"]) is None
    everywhere = Probe(name="e", kind=ProbeKind.UNIT, target="a")
    assert payloads.applies(everywhere, []) == everywhere


def test_the_list_of_pushed_files_names_hash_size_and_place() -> None:
    file = Artifact(name="a_1_all.deb", size=3, sha256=SUM)
    assert payloads.push_list("r-1-web1", [(file, "/state/store/aa")]) == (
        f"directory /var/lib/patchctl/r-1-web1/pushed\nfile {SUM} 3 a_1_all.deb /state/store/aa\n"
    )
