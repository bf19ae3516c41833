"""Feeds as programs are shown them."""

import msgspec

from patchctl.models.advisory import FeedKind
from patchctl.models.feeds import FeedAge, FeedInfo, FeedsStatus, FeedUpdate, UpdateOutcome
from patchctl.report.feeds_view import FeedsStatusView, FeedsUpdateView

KEV = FeedInfo(
    name="kev",
    kind=FeedKind.KEV,
    entries=3,
    digest="sha256:0123",
    imported=1_795_435_805,
    bad=1,
    address="https://mirror.example/kev.json",
    etag="secret of the server",
)
HELD = {
    "kind": "kev",
    "dated": "",
    "imported": "2026-11-23T12:10:05Z",
    "checked": "",
    "entries": 3,
    "bad": 1,
    "ecosystems": {},
    "address": "https://mirror.example/kev.json",
    "digest": "sha256:0123",
}


def test_the_status_has_every_field_even_where_it_is_empty() -> None:
    view = FeedsStatusView(
        FeedsStatus(
            as_of=1_795_435_805,
            feeds=(FeedAge(feed=KEV, age_s=100, max_age_s=10),),
            missing=("epss",),
            uncovered=("Oracle Linux:8",),
        )
    )
    assert msgspec.json.decode(msgspec.json.encode(view.data())) == {
        "as_of": "2026-11-23T12:10:05Z",
        "feeds": [
            {"name": "kev", **HELD, "age_s": 100, "max_age_s": 10, "stale": True, "outdated": False}
        ],
        "missing": ["epss"],
        "uncovered": ["Oracle Linux:8"],
    }


def test_an_update_has_what_is_held_where_it_did_not_fail() -> None:
    failed = FeedUpdate(name="epss", outcome=UpdateOutcome.FAILED, reason="no route")
    updated = FeedUpdate(name="kev", outcome=UpdateOutcome.UPDATED, changed=2, feed=KEV)
    view = FeedsUpdateView((updated, failed))
    assert msgspec.json.decode(msgspec.json.encode(view.data())) == {
        "feeds": [
            {
                "name": "kev",
                "outcome": "updated",
                "reason": "",
                "changed": 2,
                "gone": 0,
                **HELD,
            },
            {"name": "epss", "outcome": "failed", "reason": "no route", "changed": 0, "gone": 0},
        ]
    }
