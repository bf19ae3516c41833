"""All version orders: the published test files, and the properties of an order.

The files are not part of this repository: PATCHCTL_TEST_DATA names the folder that has `versions/`;
without it, `shared/data` beside the checkout is used.
"""

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from version_world import order

from patchctl.assessment.versions import InvalidVersionError, Key, key, key_function
from patchctl.models.versions import VersionScheme

DATA = Path(os.environ.get("PATCHCTL_TEST_DATA") or Path(__file__).parents[5] / "shared" / "data")
ORACLES = [
    ("deb-versions.txt", 25),
    ("deb-versions-generated.txt", 14_000),
    ("rpm-versions.txt", 165),
    ("apk-versions.txt", 700),
    ("apk-versions-generated.txt", 13_900),
]
# What the files compare although neither apk-tools 2 nor 3 takes it for a version.
NO_VERSIONS = {
    "1-r-0",
    "1-r-1",
    "1-r-2",
    "1-r0-1",
    "1-r0-2",
    "1-ruff",
    "1-ruff1",
    "1-ruff2",
    "1--ruff1",
    "1-r0-ruff1",
    "1-r0-ruff2",
    "1.2.0A",
    "1.2.0D",
    "1.2_blah",
    "1.2_csv2",
    "23_foo",
    "1.0bc",
}


def rows(path: Path) -> Iterator[tuple[str, str, str]]:
    for line in path.read_text().splitlines():
        if line and not line.startswith(("# ", "// ")):
            a, relation, b = line.split(" ")
            yield a, relation, b


@pytest.mark.parametrize(("name", "at_least"), ORACLES)
def test_no_mismatch(name: str, at_least: int) -> None:
    path = DATA / "versions" / name
    if not path.is_file():
        pytest.skip(f"no versions/{name} in PATCHCTL_TEST_DATA or beside the checkout")
    scheme = VersionScheme(name.split("-")[0])
    compared, refused, wrong = 0, set(), []
    for a, relation, b in rows(path):
        bad = {version for version in (a, b) if not is_version(scheme, version)}
        refused |= bad
        if not bad:
            compared += 1
            if order(scheme, a, b) != relation:
                wrong.append(f"{a} {relation} {b}")
    assert not wrong
    assert compared >= at_least
    assert refused == (NO_VERSIONS if name == "apk-versions.txt" else set())


def is_version(scheme: VersionScheme, version: str) -> bool:
    try:
        key(scheme, version)
    except InvalidVersionError:
        return False
    return True


WORDS = {
    VersionScheme.DEB: [*"0129~+.aZ", "10", "00", "-1", "1:", "~rc"],
    VersionScheme.RPM: [*"0129~^+.aZ_é", "10", "00", "-1", "1:", "rc"],
    VersionScheme.APK: [
        "0",
        "1",
        "9",
        "10",
        "00",
        ".",
        ".0",
        ".10",
        "a",
        "_rc",
        "_p1",
        "~ab",
        "-r1",
    ],
}


@pytest.mark.parametrize("scheme", VersionScheme)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_is_a_total_order(scheme: VersionScheme, data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(WORDS[scheme]), max_size=6).map("".join)
    versions = words.map(lambda tail: f"1{tail}").filter(lambda text: is_version(scheme, text))
    three = data.draw(st.tuples(versions, versions, versions))
    for a, b, c in permutations(three):
        assert {"<": ">", ">": "<", "=": "="}[order(scheme, a, b)] == order(scheme, b, a)
        if order(scheme, a, b) == "=":
            assert order(scheme, a, c) == order(scheme, b, c)
        elif order(scheme, a, b) == "<" and order(scheme, b, c) == "<":
            assert order(scheme, a, c) == "<"


@pytest.mark.parametrize("scheme", VersionScheme)
@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=12) | st.text("0123456789.:-~^+_ra", max_size=12))
def test_any_text_has_a_key_or_a_reason(scheme: VersionScheme, text: str) -> None:
    try:
        made = key(scheme, text)
    except InvalidVersionError as error:
        assert len(error.lines()) == 1
    else:
        assert made == key_function(scheme)(text)


def test_keys_bisect_and_hash() -> None:
    fixed = sorted(key(VersionScheme.DEB, text) for text in ("1.0-1", "1:0.5", "1.10-1", "1.9-1"))
    assert bisect_left(fixed, key(VersionScheme.DEB, "1.9.1-1")) == 2
    same: dict[Key, list[str]] = defaultdict(list)
    for text in ("1.0", "0:1.0-0", "1.00", "1.0-1"):
        same[key(VersionScheme.DEB, text)].append(text)
    assert list(same.values()) == [["1.0", "0:1.0-0", "1.00"], ["1.0-1"]]
