"""Read support dates of releases from endoflife.date: its file of cycles, or API v1's products.

https://endoflife.date/docs/api/v1/ (`products/full`, `products/debian`).
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ...errors import BrokenContentError
from ...models.advisory import BadRecord, FeedRecord, Lifecycle
from .common import (
    DOCUMENT_BYTES,
    UNREADABLE,
    Wire,
    document,
    each,
    iso_date,
    load,
    reason_of,
    seconds,
)
from .feed_date import FeedDate


class _Source(Wire):
    date: str = ""


class _Cycle(Wire):
    product: str
    cycle: str
    release: str | None = None
    eol: str | bool | None = None
    eoes: str | bool | None = None
    latest: str | None = None


class _Latest(Wire):
    name: str | None = None


class _ApiRelease(Wire, rename="camel"):
    name: str
    release_date: str | None = None
    is_eol: bool | None = None
    eol_from: str | None = None
    eoes_from: str | None = None
    latest: _Latest | None = None


class _Product(Wire):
    name: str
    labels: dict[str, str | None] | None = None
    releases: list[msgspec.Raw] | None = None


class _File(Wire):
    source: _Source | None = None
    meaning: dict[str, dict[str, str]] | None = None
    cycles: list[msgspec.Raw] | None = None
    generated_at: str | None = None
    result: msgspec.Raw = msgspec.Raw()


_CYCLE = msgspec.json.Decoder(_Cycle)
_RELEASE = msgspec.json.Decoder(_ApiRelease)
_PRODUCT = msgspec.json.Decoder(_Product)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def read(stream: BinaryIO, location: str, feed_date: FeedDate) -> Iterator[FeedRecord]:
    """Yield a Lifecycle for each release."""
    file = document(load(stream, location, DOCUMENT_BYTES), _File, location)
    stated = file.generated_at or (file.source.date if file.source else "")
    feed_date.date(seconds(stated))
    day = iso_date(stated)
    if file.cycles is not None:
        meaning = file.meaning or {}
        for cycle in each(file.cycles, _CYCLE, location):
            yield cycle if isinstance(cycle, BadRecord) else _cycle(cycle, meaning, day)
    elif bytes(file.result):
        yield from _api(file.result, location, day)
    else:
        raise BrokenContentError("holds no releases", where=location)


def _cycle(cycle: _Cycle, meaning: dict[str, dict[str, str]], day: str) -> Lifecycle:
    extended = iso_date(cycle.eoes)
    return Lifecycle(
        product=cycle.product,
        cycle=cycle.cycle,
        release=iso_date(cycle.release),
        # `true`: support has ended on a day that is not stated; the file's own date is the latest.
        end=day if cycle.eol is True else iso_date(cycle.eol),
        extended_end=extended,
        extended_name=meaning.get(cycle.product, {}).get("eoes", "") if extended else "",
        latest=cycle.latest or "",
    )


def _api(result: msgspec.Raw, location: str, day: str) -> Iterator[FeedRecord]:
    try:
        products = _LIST.decode(result) if bytes(result).startswith(b"[") else [result]
    except UNREADABLE as error:
        raise BrokenContentError(f"no valid content: {reason_of(error)}", where=location) from error
    for product in each(products, _PRODUCT, location):
        if isinstance(product, BadRecord):
            yield product
        elif product.releases is None:
            reason = "lists no releases; take `products/full`"
            yield BadRecord(place=f"{location}: {product.name}", reason=reason)
        else:
            for release in each(product.releases, _RELEASE, f"{location}: {product.name}"):
                yield release if isinstance(release, BadRecord) else _release(product, release, day)


def _release(product: _Product, release: _ApiRelease, day: str) -> Lifecycle:
    extended = iso_date(release.eoes_from)
    return Lifecycle(
        product=product.name,
        cycle=release.name,
        release=iso_date(release.release_date),
        end=iso_date(release.eol_from) or (day if release.is_eol else ""),
        extended_end=extended,
        extended_name=((product.labels or {}).get("eoes") or "") if extended else "",
        latest=(release.latest.name or "") if release.latest else "",
    )
