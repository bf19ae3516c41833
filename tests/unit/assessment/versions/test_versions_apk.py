"""Alpine's version order: that of apk-tools 2, with the hashes of 3."""

import itertools

import pytest
from version_world import is_sorted, order

from patchctl.assessment.versions import InvalidVersionError, key
from patchctl.models.versions import VersionScheme

APK = VersionScheme.APK


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("1_alpha 1_beta 1_pre 1_rc 1 1_cvs 1_svn 1_git 1_hg 1_p", id="suffixes"),
        pytest.param("1_rc 1_rc1 1_rc2 1_rc10 1", id="numbered suffixes"),
        pytest.param("1_alpha_pre2 1_alpha 1_alpha1 1_alpha_p1", id="suffixes of suffixes"),
        pytest.param("1_p9-r1 1_p10-r0", id="suffix before revision"),
        pytest.param("1 1-r0 1-r1 1-r9 1-r10 1a 1a-r0 1b 1.0", id="revision, letter, component"),
        pytest.param("1.9 1.10 1.10.1 2", id="numbers by value"),
        pytest.param("6.6.2_p2 6.6.2p 6.6.2p1 6.6.2p2 6.6.2p10", id="digits after a letter"),
        pytest.param("9 10 20060512", id="dates"),
        pytest.param("1.000 1.00 1.005 1.0 1.05 1.010 1.1 1.10", id="leading zeros"),
        pytest.param("1_rc 1 1-r1 1~ab 1~abc 1~b 1~b-r1 1_p", id="hashes"),
        pytest.param("0.8.20 0.8.21.r1 0.8.21.r2 0.8.21r2", id="an empty component"),
        pytest.param("a b .1 .2 1", id="no first number"),
    ],
)
def test_sorts(versions: str) -> None:
    is_sorted(APK, versions)


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("1-r 1-r0 1-r00", id="revision without a number"),
        pytest.param("1-r1 1-r01", id="zeros of a revision"),
        pytest.param("006 6", id="zeros of the first number"),
        pytest.param("1_p1 1_p01", id="zeros of a suffix"),
    ],
)
def test_is_the_same(versions: str) -> None:
    for a, b in itertools.combinations(versions.split(), 2):
        assert order(APK, a, b) == "="


@pytest.mark.parametrize(
    "version",
    [
        "",
        " ",
        ".",
        "1 2",
        "1\n",
        "1\x00",
        "1A",
        "1.0bc",
        "1a.2",
        "1:2",
        "1-2",
        "1-ruff",
        "1-r-1",
        "1-r1-r2",
        "1-r1_p1",
        "1_blah",
        "1_p1.2",
        "_p1",
        "-r1",
        "1~",
        "1~xyz",
        "²",
        "1é",
        "1" * 20,
    ],
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidVersionError, match=r"^not a version for apk: "):
        key(APK, version)


def test_a_hash_of_digits_is_no_number() -> None:
    assert order(APK, f"1~{'1' * 40}", f"1~{'2' * 40}") == "<"
