"""Waves: each host is in one, none is too large, and they are always the same."""

from hypothesis import given
from hypothesis import strategies as st

from patchctl.models.policy import Amount
from patchctl.plan.waves import at_once, waves

names = st.sets(st.text("abcdefgh0123-.", min_size=1, max_size=8), max_size=60)
amounts = st.one_of(
    st.builds(lambda number: Amount(hosts=number), st.integers(0, 80)),
    st.builds(lambda number: Amount(percent=number), st.integers(0, 100)),
)


@given(names, amounts)
def test_every_host_is_in_exactly_one_wave(hosts: set[str], amount: Amount) -> None:
    cut = waves(hosts, amount)
    assert sorted(name for wave in cut for name in wave) == sorted(hosts)


@given(names, amounts)
def test_no_wave_is_empty_or_too_large_and_only_the_last_is_smaller(
    hosts: set[str], amount: Amount
) -> None:
    cut = waves(hosts, amount)
    size = at_once(amount, len(hosts))
    assert all(len(wave) == size for wave in cut[:-1])
    assert all(0 < len(wave) <= size for wave in cut)


@given(names, amounts, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    hosts: set[str], amount: Amount, random: object
) -> None:
    import random as stdlib

    assert isinstance(random, stdlib.Random)
    shuffled = sorted(hosts)
    random.shuffle(shuffled)
    assert waves(shuffled, amount) == waves(sorted(hosts), amount)


def test_percentages_round_up_and_at_least_one_host_goes() -> None:
    assert [at_once(Amount(percent=10), hosts) for hosts in (1, 10, 11, 21)] == [1, 1, 2, 3]
    assert at_once(Amount(hosts=0), 5) == 1
    assert at_once(Amount(hosts=9), 5) == 5


def test_a_budget_of_zero_allows_no_host() -> None:
    assert [Amount(hosts=0).of(5), Amount(percent=0).of(5)] == [0, 0]
    assert [Amount(percent=5).of(hosts) for hosts in (0, 1, 20, 21)] == [0, 1, 1, 2]


def test_neighbours_are_in_different_waves() -> None:
    hosts = [f"web{number:02}" for number in range(12)]
    first = waves(hosts, Amount(hosts=4))[0]
    assert first == ("web01", "web02", "web08", "web09")
