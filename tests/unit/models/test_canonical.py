"""Canonical JSON: each value has exactly one encoding."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.models import canonical

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
floats = st.floats() | st.just(float("nan")) | st.just(float("inf")) | st.just(1.0)


def depths(value: object) -> st.SearchStrategy[object]:
    """Return the value inside lists and mappings, beside other values."""
    wraps = st.sampled_from([lambda it: [None, it], lambda it: {"a": 1, "b": it}, lambda it: (it,)])
    return st.lists(wraps, max_size=4).map(lambda some: _wrapped(value, some))


def _wrapped(value: object, wraps: list) -> object:  # type: ignore[type-arg]
    for wrap in wraps:
        value = wrap(value)
    return value


@given(plain)
def test_it_is_json_with_sorted_keys_and_no_space(value: object) -> None:
    encoded = canonical.encode(value)
    assert json.loads(encoded) == value
    assert canonical.encode(json.loads(encoded)) == encoded
    assert canonical.digest(value) == canonical.digest_bytes(encoded)


@given(floats.flatmap(depths))
def test_a_float_is_refused_wherever_it_stands(value: object) -> None:
    with pytest.raises(TypeError, match="no floats"):
        canonical.encode(value)


@given(st.sampled_from([{1: "a"}, {None: 1}, {True: {}}]).flatmap(depths))
def test_a_key_that_is_no_text_is_refused_wherever_it_stands(value: object) -> None:
    with pytest.raises(TypeError, match="only text keys"):
        canonical.encode(value)
