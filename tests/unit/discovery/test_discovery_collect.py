"""Parse complete answers: files in tests/data/discovery, input beside expected output."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.discovery.collect import parse, problem
from patchctl.models import canonical
from patchctl.models.facts import HostFacts, PackageManager

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "discovery"
SCRIPTS = [
    ROOT / "roles" / part
    for part in (
        "patch_connection/files/host_rules.sh",
        "patch_connection/files/host_apt.sh",
        "patch_connection/files/host_dnf.sh",
        "patch_discover/files/which_manager.sh",
        "patch_discover/files/replaced.sh",
        "patch_discover/files/discover_apt.sh",
        "patch_discover/files/discover_apt_lists.sh",
        "patch_discover/files/discover_dnf.sh",
        "patch_discover/files/discover.sh",
    )
]
NOW = 1795437190
SAMPLES = sorted(path.stem for path in DATA.glob("*.txt"))


def sample(name: str) -> str:
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_captured_answer_gives_these_facts(name: str) -> None:
    expected = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    facts = parse(sample(name), NOW)
    assert json.loads(msgspec.json.encode(facts)) == expected
    assert problem(facts) is None
    assert facts.unparsed == ()


def test_there_are_samples() -> None:
    assert {"debian12", "el9"} <= set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_answer_cut_at_any_line_is_noticed(name: str) -> None:
    lines = sample(name).splitlines(keepends=True)
    for length in range(0, len(lines) - 1, 17):
        facts = parse("".join(lines[:length]), NOW)
        assert problem(facts) or facts.notes


@pytest.mark.parametrize("section", ["pending", "stale"])
@pytest.mark.parametrize("how", ["failed", "cut off", "left out"])
def test_an_empty_list_that_was_not_told_whole_is_no_good_news(section: str, how: str) -> None:
    text = sample("debian12")
    match = re.search(rf"\[{section}\]\n((?: .*\n)*)=0\n", text)
    assert match is not None
    instead = {"failed": f"[{section}]\n=1\n", "cut off": f"[{section}]\n", "left out": ""}[how]
    assert parse(text, NOW).unread == ()
    assert parse(text.replace(match[0], instead), NOW).unread == (section,)


@given(st.text())
def test_any_text_gives_facts_that_say_they_are_no_good(text: str) -> None:
    facts = parse(text, NOW)
    assert problem(facts)
    canonical.encode(facts)


@given(st.data())
def test_an_answer_with_any_line_replaced_never_raises(data: st.DataObject) -> None:
    lines = sample(data.draw(st.sampled_from(SAMPLES))).splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.one_of(st.text(), st.text(max_size=9).map(lambda text: f" {text}")))
    facts = parse("\n".join(lines), NOW)
    msgspec.json.decode(canonical.encode(facts), type=HostFacts)


@pytest.mark.parametrize("text", ["$(id)", "{{ lookup('pipe', 'id') }}", "\x1b[2J", "a;b", "-o=x"])
def test_nothing_strange_becomes_a_name_or_a_version(text: str) -> None:
    tab = "\t"
    strange = sample("debian12").replace(
        "[packages]\n", f"[packages]\n ii {tab}{text}{tab}1{tab}amd64{tab}x{tab}1\n"
        f" ii {tab}x1{tab}{text}{tab}amd64{tab}x{tab}1\n"
    )  # fmt: skip
    facts = parse(strange, NOW)
    words = {word for it in facts.packages for word in (it.name, it.version, it.source)}
    assert text not in words
    assert len(facts.unparsed) == 2


def test_what_went_wrong_on_the_way_is_noted() -> None:
    text = sample("debian12").replace("[os]", "[refresh]\n E: no network\n=0\n[os]", 1)
    text = text.replace("[failed]\n broken.service\n \n=0", "[failed]\n=1")
    notes = parse(text, NOW).notes
    assert notes == ("refresh: E: no network", "failed: exit code 1")


def test_lists_that_were_just_refreshed_are_new() -> None:
    old = parse(sample("debian12"), NOW).lists_updated
    new = parse(sample("debian12").replace("[os]", "[refresh]\n=0\n[os]", 1), NOW).lists_updated
    assert old < new == 1795437191


def test_a_newer_kernel_than_the_running_one_wants_a_reboot_but_not_in_a_container() -> None:
    text = sample("debian12").replace("[reboot]\n required\n", "[reboot]\n")
    text = re.sub(r"\[reboot\]\n(.*\n)*?=0", "[reboot]\n=0", text)
    assert parse(text, NOW).reboot_packages == ("linux-image-6.1.0-30-amd64",)
    inside = parse(text.replace("virtualization\tkvm", "virtualization\tlxc"), NOW)
    assert (inside.kernel.managed, inside.reboot_required) == (False, False)


def test_a_host_without_a_known_package_manager_says_so() -> None:
    text = sample("debian12").replace("manager\tapt", "manager\tzypper")
    facts = parse(text, NOW)
    assert facts.manager is PackageManager.NONE
    why = problem(facts)
    assert why is not None
    assert why.text == "no package manager that patchctl knows"


def run(shell: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a host's shell gets it: from standard input, its parts joined."""
    command = [shell, *(["sh"] if shell == "busybox" else []), "-s", "--", *words]
    text = "".join(path.read_text() for path in SCRIPTS)
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, timeout=60
    )


class TestTheScript:
    def test_is_clean_to_shellcheck(self) -> None:
        done = subprocess.run(
            ["shellcheck", "-s", "sh", *SCRIPTS], capture_output=True, text=True, check=False
        )
        assert done.stdout == ""

    def test_ends_with_main_cut_off_from_standard_input(self) -> None:
        assert SCRIPTS[-1].read_text().rstrip().endswith('main "$@" </dev/null')

    @pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
    def test_every_shell_prints_the_same_frame(self, shell: str) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"no {shell}")
        done = run(shell, "packages")
        lines = done.stdout.splitlines()
        assert [line for line in lines if line.startswith("[")] == [
            "[os]", "[packages]", "[identity]",
        ]  # fmt: skip
        assert all(line.startswith((" ", "[", "=")) for line in lines)
        assert parse(done.stdout, NOW).boot.boot_id

    @pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
    def test_a_last_line_without_its_end_is_kept_and_no_line_is_added(self, shell: str) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"no {shell}")
        text = SCRIPTS[-1].read_text()
        look = text[text.index("ask_all() {") : text.index("section() {")]
        small = "ask_all() { section a printf 'x\\ny'; section b echo z; section c false; }\n\n"
        done = subprocess.run(
            [shell, *(["sh"] if shell == "busybox" else []), "-s"],
            input=text.replace(look, small), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "[a]\n x\n y\n=0\n[b]\n z\n=0\n[c]\n=1\n"


def test_a_password_in_an_address_is_not_kept() -> None:
    uri = "http://joe:s3cr3t@127.0.0.1:8099/site"
    row = (
        f"http://127.0.0.1:8099/site|./|$(COMPONENT)|{uri}|Site|Site|site|$(SUITE)|yes|/x_Packages"
    )
    answer = sample("debian12").replace(
        "[repositories]\n", f"[repositories]\n {row}\n".replace("|", "\t")
    )
    answer = answer.replace("[identity]\n", f"[refresh]\n E: {uri} failed\n=0\n[identity]\n")
    facts = parse(answer, NOW)
    assert facts.repositories[0].uri == "http://***@127.0.0.1:8099/site"
    assert "refresh: E: http://***@127.0.0.1:8099/site failed" in facts.notes
    assert b"s3cr3t" not in msgspec.json.encode(facts)
