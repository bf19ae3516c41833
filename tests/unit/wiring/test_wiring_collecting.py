"""While an answer is made no garbage is searched for; afterwards it is as before."""

import gc

import pytest

from patchctl.wiring.collecting import paused


def test_the_search_goes_on_after_the_block_whatever_happens_in_it() -> None:
    with paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), paused():
        raise ValueError("x")
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
