"""Choose the ring of a host: by variable or group, else by rule, else by share."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.inventory.rings import RingChoice, RingConflictError, assign
from patchctl.models.settings import Assignment, Rule, Share, Shares

RINGS = ("staging", "canary", "production")
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
SHARES = Shares(
    seed="s",
    parts=(
        Share(ring="staging", percent=5),
        Share(ring="canary", percent=15),
        Share(ring="production", percent=80),
    ),
)


def ring_of(
    name: str = "web1",
    groups: tuple[str, ...] = (),
    variables: dict[str, Any] | None = None,
    rules: tuple[Rule, ...] = (),
    shares: Shares | None = None,
) -> RingChoice:
    return assign(name, groups, variables or {}, RINGS, Assignment(rules=rules, shares=shares))


class TestOrder:
    RULE = (Rule(ring="production", names=("web*",)),)

    def test_the_variable_wins_over_rule_and_share(self) -> None:
        choice = ring_of(variables={"patch_ring": "canary"}, rules=self.RULE, shares=SHARES)
        assert choice == RingChoice("canary", "variable patch_ring")

    def test_a_group_named_as_a_ring_wins_over_rule_and_share(self) -> None:
        choice = ring_of(groups=("web", "canary"), rules=self.RULE, shares=SHARES)
        assert choice == RingChoice("canary", "group canary")

    def test_the_group_that_stands_for_a_ring_in_exports_counts_too(self) -> None:
        assert ring_of(groups=("ring_staging",)).ring == "staging"

    def test_a_rule_wins_over_a_share(self) -> None:
        assert ring_of(rules=self.RULE, shares=SHARES) == RingChoice(
            "production", "rule 1: name web*"
        )

    def test_the_first_rule_that_fits_counts(self) -> None:
        rules = (
            Rule(ring="staging", groups=("db",)),
            Rule(ring="canary", groups=("web",)),
            Rule(ring="production", names=("*",)),
        )
        assert ring_of(groups=("web",), rules=rules) == RingChoice("canary", "rule 2: group web")
        assert ring_of(groups=("app",), rules=rules) == RingChoice("production", "rule 3: name *")

    def test_globs_know_case(self) -> None:
        assert ring_of(name="WEB1", rules=self.RULE).ring is None

    def test_without_any_of_them_there_is_no_ring_and_a_reason(self) -> None:
        assert ring_of() == RingChoice(
            None, "no patch_ring, no group named as a ring, no rule, no shares"
        )

    def test_an_empty_variable_says_nothing(self) -> None:
        assert ring_of(variables={"patch_ring": None}, groups=("canary",)).ring == "canary"

    def test_variable_and_group_may_agree(self) -> None:
        choice = ring_of(variables={"patch_ring": "canary"}, groups=("canary",))
        assert choice.reason == "variable patch_ring"


class TestConflicts:
    @pytest.mark.parametrize(
        ("groups", "variables", "reason"),
        [
            (("staging", "canary"), {}, "is in the groups of 2 rings: staging, canary"),
            (("staging", "ring_canary"), {}, "is in the groups of 2 rings: staging, canary"),
            (("staging",), {"patch_ring": "canary"}, "patch_ring says canary, but it is in the"),
            (
                (),
                {"patch_ring": "prod"},
                "says 'prod', which is not a ring .rings: staging, canary",
            ),
            ((), {"patch_ring": 1}, "must be the plain name of a ring"),
            ((), {"patch_ring": {"__ansible_vault": "x"}}, "must be the plain name of a ring"),
            ((), {"patch_ring": "{{ ring }}"}, "not a template"),
        ],
    )
    def test_are_errors(
        self, groups: tuple[str, ...], variables: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(RingConflictError, match=reason):
            ring_of(groups=groups, variables=variables)


class TestShares:
    def test_known_names_stay_where_they_are(self) -> None:
        # A changed hash would move hosts of every fleet between rings.
        rings = {n: ring_of(name=f"host{n}", shares=SHARES).ring for n in range(12)}
        assert [n for n, ring in rings.items() if ring == "staging"] == [2]
        assert [n for n, ring in rings.items() if ring == "canary"] == [1, 6, 8]

    def test_shares_are_kept_over_many_hosts(self) -> None:
        count = Counter(ring_of(name=f"n{n}", shares=SHARES).ring for n in range(4000))
        assert 140 <= count["staging"] <= 260
        assert 500 <= count["canary"] <= 700

    @given(NAMES)
    def test_every_host_gets_a_ring(self, name: str) -> None:
        assert ring_of(name=name, shares=SHARES).ring in RINGS

    @given(NAMES, st.integers(0, 50), st.integers(0, 50))
    def test_a_larger_early_share_only_moves_hosts_forward(
        self, name: str, staging: int, more: int
    ) -> None:
        def ring(percent: int) -> int:
            parts = (
                Share(ring="staging", percent=percent),
                Share(ring="production", percent=100 - percent),
            )
            chosen = ring_of(name=name, shares=Shares(seed="s", parts=parts)).ring
            return RINGS.index(str(chosen))

        assert ring(staging + more) <= ring(staging)

    def test_seed_and_stratum_deal_anew(self) -> None:
        names = [f"h{n}" for n in range(300)]
        strata = Shares(seed="s", parts=SHARES.parts, stratum=("site",))
        other = Shares(seed="t", parts=SHARES.parts)

        def rings(shares: Shares, site: Any) -> list[str | None]:
            return [ring_of(name=n, variables={"site": site}, shares=shares).ring for n in names]

        assert rings(SHARES, "a") == rings(SHARES, "b")
        assert rings(strata, "a") != rings(strata, "b")
        assert rings(other, "a") != rings(SHARES, "a")

    @pytest.mark.parametrize("site", [None, 1, 1.5, True, ["a"], {"b": 1.0}, "x"])
    def test_any_value_may_be_a_stratum(self, site: Any) -> None:
        strata = Shares(seed="s", parts=SHARES.parts, stratum=("site", "gone"))
        assert ring_of(variables={"site": site}, shares=strata).ring in RINGS
