"""Read strictly what package managers would do: input beside expected output."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import facts, package

from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import PackageManager
from patchctl.models.plan import Action, LeftOutReason
from patchctl.models.requests import HostRequest, Kept, PackageRequest
from patchctl.plan.accept import accept
from patchctl.protocol.managers import SUPPORTED, read_resolution
from patchctl.protocol.resolve_request import payload

DATA = Path(__file__).parents[2] / "data" / "plan"
MAY_REMOVE = ("apt-removes", "dnf-removes", "dnf-obsoletes")
MAY_GO_BACK = ("dnf-goes-back",)
UNHASHED = "its repository gives no SHA-256 or no size"
UNKNOWN = "repositories offer no different files of it"
UNREADABLE = "apt's line about it is unreadable"
UNSIGNED = "it comes from no signed repository"
CASES = sorted(path.stem for kind in ("apt", "dnf") for path in DATA.glob(f"{kind}-*.txt"))


def request(case: str) -> HostRequest:
    rows = [line.split() for line in (DATA / f"{case}.request").read_text().splitlines()]
    patterns = tuple(row[1] for row in rows if row[0] == "exclude")
    return HostRequest(
        host="h1",
        ring="staging",
        manager=PackageManager(case.partition("-")[0]),
        wanted=packages("want", rows),
        exclusions=(Exclusion(rule="--exclude", packages=patterns, reason="try"),)
        if patterns
        else (),
        held=packages("hold", rows),
    )


def packages(kind: str, rows: list[list[str]]) -> tuple[PackageRequest, ...]:
    return tuple(
        PackageRequest(package=row[1], arch=row[2], version=row[3])
        for row in rows
        if row[0] == kind
    )


def answer(case: str = "apt-drops") -> str:
    return (DATA / f"{case}.txt").read_text()


@pytest.mark.parametrize("case", CASES)
def test_answers_of_real_hosts(case: str) -> None:
    expected = json.loads((DATA / f"{case}.expected.json").read_text())
    resolution = read_resolution(request(case), answer(case))
    assert json.loads(msgspec.json.encode(resolution)) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_request_is_written_as_the_script_reads_it(case: str) -> None:
    written = payload(
        request(case), allow_removals=case in MAY_REMOVE, allow_downgrades=case in MAY_GO_BACK
    )
    assert written == (DATA / f"{case}.request").read_text()


def test_a_word_outside_of_the_grammar_never_reaches_a_host() -> None:
    bad = PackageRequest(package="$(reboot)", arch="amd64", version="1")
    asked = HostRequest(host="h", ring="r", manager=PackageManager.APT, wanted=(bad,))
    with pytest.raises(ValueError, match="grammar"):
        payload(asked, allow_removals=False, allow_downgrades=False)


@pytest.mark.parametrize("hostile", ["$(reboot)", "a b", "-y", "{{ 7 }}", "a\nwant b c 1", "'", ""])
def test_a_pattern_outside_of_the_grammar_never_reaches_a_host(hostile: str) -> None:
    rule = Exclusion(rule="--exclude", packages=(hostile,))
    asked = HostRequest(
        host="h", ring="r", manager=PackageManager.APT, wanted=(), exclusions=(rule,)
    )
    with pytest.raises(ValueError, match="grammar"):
        payload(asked, allow_removals=False, allow_downgrades=False)


@pytest.mark.parametrize("named", ["libc6/glibc", "{{7}}/patchlab-extra", "patchlab-extra", ""])
def test_a_host_cannot_leave_out_what_no_rule_excludes(named: str) -> None:
    lied = answer("apt-excluded").replace("libapt-pkg6.0/apt", named)
    resolution = read_resolution(request("apt-excluded"), lied)
    assert resolution.error == "apt is left out for a package that nothing excludes"


def test_a_removal_is_a_transition_without_a_file() -> None:
    resolution = read_resolution(request("apt-removes"), answer("apt-removes"))
    removed = [
        transition for transition in resolution.transitions if transition.action is Action.REMOVE
    ]
    assert [(row.package, row.arch, row.to, row.file) for row in removed] == [
        ("systemd-sysv", "amd64", "", None)
    ]


def test_a_foreign_package_that_goes_is_not_the_native_one_that_comes() -> None:
    more = "sim Remv libexpat1:i386 [2.5.0-1]\nhave libexpat1 i386 2.5.0-1 expat 9\nend\n"
    text = answer("apt-removes").removesuffix("end\n") + more
    resolution = read_resolution(request("apt-removes"), text)
    removed = [
        (transition.package, transition.arch)
        for transition in resolution.transitions
        if transition.action is Action.REMOVE
    ]
    assert removed == [("libexpat1", "i386"), ("systemd-sysv", "amd64")]


def test_new_dependencies_are_not_requested() -> None:
    resolution = read_resolution(request("apt-removes"), answer("apt-removes"))
    new = {
        transition.package
        for transition in resolution.transitions
        if transition.action is Action.NEW
    }
    assert "startpar" in new
    assert {
        transition.package for transition in resolution.transitions if transition.requested
    } == {
        "libexpat1",
        "sysvinit-core",
        "tzdata",
    }


def test_what_the_host_would_not_take_has_its_reason() -> None:
    resolution = read_resolution(request("apt-drops"), answer())
    assert [(row.package, row.reason, row.detail) for row in resolution.dropped] == [
        ("sysvinit-core", LeftOutReason.REMOVES_PACKAGE, "would remove systemd-sysv")
    ]


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("\nend\n", "\n", "cut off"),
        ("resolve 1 apt\n", "", "gave no answer"),
        ("sim Inst tzdata", "sim Inst tz{{ 7 }}data", "unreadable"),
        ("sim Inst tzdata", "sim Inst ../../tzdata", "unreadable"),
        ("have libexpat1", "have lib\x1b[31mexpat1", "unreadable"),
        ("end\n", "surprise\nend\n", "no known kind"),
        ("sim Inst tzdata [2026b-0+deb12u1]", "sim Conf tzdata [1]", "would not come to"),
    ],
)
def test_garbage_is_an_error_of_that_host(before: str, after: str, error: str) -> None:
    text = answer()
    assert before in text
    resolution = read_resolution(request("apt-drops"), text.replace(before, after))
    assert error in resolution.error
    assert resolution.transitions == ()
    assert "\x1b" not in resolution.error


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("show SHA256: 3254eb", "show SHA256: 3254eX", UNHASHED),
        ("show SHA256: 3254eb", "show SHA25: 3254eb", UNHASHED),
        ("show Size: 307832", "show Size: 1", "its repository gives two sizes"),
        ("show Size: 307832", "show Size: many", UNHASHED),
        ("\tDebian-Security\tbookworm-security\tyes", "\tx\ty\tno", UNSIGNED),
        ("offer     tzdata | 2026f-0+deb12u1", "offer tzdata | 1", UNSIGNED),
        ("show Package: tzdata", "show Package: tzdatb", UNKNOWN),
        ("sim Inst tzdata [2026b-0+deb12u1] (", "sim Inst tzdata (((", UNREADABLE),
    ],
)
def test_what_is_wrong_with_a_package_is_said_of_it_and_not_of_the_host(
    before: str, after: str, reason: str
) -> None:
    text = answer()
    assert before in text
    resolution = read_resolution(request("apt-drops"), text.replace(before, after))
    assert resolution.error == ""
    said = {(row.left_out.package, row.left_out.detail) for row in resolution.unusable}
    assert ("tzdata", reason) in said
    # Signatures are a repository's, and so all of its packages fall.
    if reason != UNSIGNED:
        assert [(row.arch, row.installed) for row in resolution.unusable] == [
            ("all", "2026b-0+deb12u1")
        ]
    assert "tzdata" not in {transition.package for transition in resolution.transitions}


def test_a_password_in_an_address_is_not_kept() -> None:
    text = answer().replace("uri 'http://", "uri 'http://joe:s3cr3t@")
    assert "s3cr3t" in text
    resolution = read_resolution(request("apt-drops"), text)
    assert all(uri.startswith("http://***@") for uri in resolution.uris.values())
    assert resolution.transitions == read_resolution(request("apt-drops"), answer()).transitions


@pytest.mark.parametrize("label", ["Site [x]", "Site | b", "Sité (ü)", "[amd64]) [x", ""])
def test_a_label_may_have_any_characters(label: str) -> None:
    text = answer().replace("Debian-Security:", f"{label}:")
    text = text.replace("\tDebian-Security\t", f"\t{label or '$(LABEL)'}\t")
    assert label in text
    resolution = read_resolution(request("apt-drops"), text)
    assert (resolution.error, resolution.unusable) == ("", ())
    origins = {transition.origin for transition in resolution.transitions}
    assert origins == {f"{label or 'Debian'}:bookworm-security"}


def test_a_foreign_architecture_counts_only_what_its_own_index_has() -> None:
    text = answer()
    foreign = text.replace("tzdata [2026b", "tzdata:i386 [2026b").replace(
        "offer     tzdata", "offer tzdata:i386"
    )
    assert read_resolution(request("apt-drops"), foreign).unusable == ()
    other = foreign.replace("[all])", "[i386])").replace("Architecture: all", "Architecture: i386")
    other = other.replace("tzdata_2026f-0+deb12u1_all", "tzdata_2026f-0+deb12u1_i386")
    (unusable,) = read_resolution(request("apt-drops"), other).unusable
    assert unusable.left_out.reason is LeftOutReason.NOT_TRUSTED


def test_a_package_is_kept_away_in_its_own_architecture() -> None:
    new = answer().replace("sim Inst tzdata [2026b-0+deb12u1]", "sim Inst tzdata:i386")
    new = new.replace("have tzdata all 2026b-0+deb12u1", "have other all 2026b-0+deb12u1")
    (unusable,) = read_resolution(request("apt-drops"), new.replace("[all])", "[i386])")).unusable
    assert (unusable.arch, unusable.installed) == ("i386", "")
    kept = (Kept(package="tzdata", arch="i386"), Kept(package="other"))
    asked = HostRequest(host="h", ring="r", manager=PackageManager.APT, wanted=(), kept=kept)
    written = payload(asked, allow_removals=False, allow_downgrades=False)
    assert written.endswith("keep tzdata i386 -\nkeep other - -\n")


def test_one_version_from_two_repositories_is_the_file_that_apt_would_fetch() -> None:
    text = answer()
    stanza = text[text.index("show Package: tzdata") :]
    stanza = stanza[: stanza.index("show .\n") + len("show .\n")]
    other = stanza.replace("pool/updates", "pool/other").replace("3254eb", "000000")
    resolution = read_resolution(request("apt-drops"), text.replace(stanza, other + stanza))
    assert resolution.error == ""
    assert resolution == read_resolution(request("apt-drops"), text)
    same_path = stanza.replace("3254eb", "000000")
    refused = read_resolution(request("apt-drops"), text.replace(stanza, same_path + stanza))
    assert [row.left_out.detail for row in refused.unusable] == [
        "repositories offer 2 different files of it"
    ]


def test_an_epoch_is_escaped_in_the_file_name_as_apt_does() -> None:
    text = answer().replace("2026f-0+deb12u1", "1:2026f-0+deb12u1")
    text = text.replace("tzdata_1:2026f", "tzdata_1%3a2026f")
    asked = request("apt-drops")
    wanted = tuple(
        msgspec.structs.replace(wish, version="1:" + wish.version)
        if wish.package == "tzdata"
        else wish
        for wish in asked.wanted
    )
    resolution = read_resolution(msgspec.structs.replace(asked, wanted=wanted), text)
    assert resolution.error == ""
    assert resolution.transitions[1].file is not None
    assert resolution.transitions[1].file.name == "tzdata_1%3a2026f-0+deb12u1_all.deb"


def test_going_back_is_a_downgrade() -> None:
    resolution = read_resolution(
        request("apt-drops"), answer().replace("\nend\n", "\nlower tzdata\nend\n")
    )
    assert [transition.action for transition in resolution.transitions] == [
        Action.UPGRADE,
        Action.DOWNGRADE,
    ]


def test_the_hosts_own_refusal_is_its_error() -> None:
    resolution = read_resolution(
        request("apt-drops"), "resolve 1 apt\nerror dpkg was \x1b[2Jinterrupted\nend\n"
    )
    assert resolution.error == "dpkg was [2Jinterrupted"


def test_somebody_else_at_work_makes_every_answer_void() -> None:
    asked = request("apt-security")
    first, second = (
        "lock 7\t/var/lib/dpkg/lock-frontend\tapt-get",
        "lock 8\t/var/lib/dpkg/lock\tdpkg",
    )
    text = answer("apt-security").removesuffix("end\n")
    resolution = read_resolution(asked, f"{text}{first}\n{second}\nend\n")
    assert resolution.locked == "apt-get (pid 7) holds /var/lib/dpkg/lock-frontend"
    assert not resolution.transitions
    known = {asked.host: facts([package("openssl")])}
    (left,) = accept([resolution], known, allow_removals=False).left_out
    assert (left.reason, left.detail) == (LeftOutReason.LOCKED, resolution.locked)


def test_the_answer_of_another_package_manager_is_none() -> None:
    resolution = read_resolution(
        request("apt-drops"), answer().replace("resolve 1 apt", "resolve 1 dnf")
    )
    assert resolution.error == "the resolve script gave no answer"


@pytest.mark.parametrize("manager", sorted(set(PackageManager) - SUPPORTED))
def test_a_package_manager_without_a_module_is_refused(manager: PackageManager) -> None:
    asked = msgspec.structs.replace(request("apt-drops"), manager=manager)
    resolution = read_resolution(asked, answer().replace("resolve 1 apt", f"resolve 1 {manager}"))
    assert resolution.error == f"patchctl does not update with {manager} yet"
    assert resolution.manager is manager and not resolution.transitions


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    asked = request("apt-drops")
    for hostile in (text, f"resolve 1 apt\n{text}\nend\n", answer().replace("tzdata", text)):
        resolution = read_resolution(asked, hostile)
        assert resolution.error.isprintable()
        reached = {(transition.package, transition.to) for transition in resolution.transitions}
        reached |= {(row.package, row.version) for row in resolution.dropped}
        # What cannot be used is asked for again without it.
        again = resolution.error or resolution.unusable
        assert again or reached >= {(wish.package, wish.version) for wish in asked.wanted}


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_answer_does_not_matter(random: object) -> None:
    import random as stdlib

    assert isinstance(random, stdlib.Random)
    lines = answer().splitlines()
    blocks = [line for line in lines[1:-1] if not line.startswith("show ")]
    shows = [line for line in lines[1:-1] if line.startswith("show ")]
    random.shuffle(blocks)
    shuffled = "\n".join([lines[0], *blocks, *shows, lines[-1]])
    resolution = read_resolution(request("apt-drops"), shuffled)
    assert resolution == read_resolution(request("apt-drops"), answer())
