"""Ids of runs and snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.models import ids

MOMENT = st.integers(0, 253_402_300_799_000)
RANDOM = st.binary(min_size=ids.RANDOM_BYTES, max_size=ids.RANDOM_BYTES)


def test_an_id_says_when() -> None:
    assert ids.run_id(1_795_434_301_999, b"\xab\x12") == "r-20261123-114501-ab12"
    assert ids.snapshot_id(1_795_434_301_000, b"\0\1") == "s-20261123-114501-0001"


@given(MOMENT, MOMENT, RANDOM, RANDOM)
def test_ids_sort_by_time(first: int, second: int, random: bytes, other_random: bytes) -> None:
    if first // 1000 < second // 1000:
        assert ids.run_id(first, random) < ids.run_id(second, other_random)


def test_the_caller_gives_the_right_randomness() -> None:
    with pytest.raises(ValueError, match="2 random bytes"):
        ids.run_id(0, b"abc")
