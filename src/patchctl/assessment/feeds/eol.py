"""Releases' dates from endoflife.date: one file over products, or the API v1's products.

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
from .feed_date import Told


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


def read(stream: BinaryIO, place: str, told: Told) -> Iterator[FeedRecord]:
    """A release each."""
    file = document(load(stream, place, DOCUMENT_BYTES), _File, place)
    stated = file.generated_at or (file.source.date if file.source else "")
    told.date(seconds(stated))
    day = iso_date(stated)
    if file.cycles is not None:
        meaning = file.meaning or {}
        for cycle in each(file.cycles, _CYCLE, place):
            yield cycle if isinstance(cycle, BadRecord) else _cycle(cycle, meaning, day)
    elif bytes(file.result):
        yield from _api(file.result, place, day)
    else:
        raise BrokenContentError("holds no releases", where=place)


def _cycle(one: _Cycle, meaning: dict[str, dict[str, str]], day: str) -> Lifecycle:
    extended = iso_date(one.eoes)
    return Lifecycle(
        product=one.product,
        cycle=one.cycle,
        release=iso_date(one.release),
        # `true`: ended, on a day that is not stated; by the file's own date at the latest.
        end=day if one.eol is True else iso_date(one.eol),
        extended_end=extended,
        extended_name=meaning.get(one.product, {}).get("eoes", "") if extended else "",
        latest=one.latest or "",
    )


def _api(result: msgspec.Raw, place: str, day: str) -> Iterator[FeedRecord]:
    try:
        products = _LIST.decode(result) if bytes(result).startswith(b"[") else [result]
    except UNREADABLE as error:
        raise BrokenContentError(f"no valid content: {reason_of(error)}", where=place) from error
    for product in each(products, _PRODUCT, place):
        if isinstance(product, BadRecord):
            yield product
        elif product.releases is None:
            reason = "lists no releases; take `products/full`"
            yield BadRecord(place=f"{place}: {product.name}", reason=reason)
        else:
            for release in each(product.releases, _RELEASE, f"{place}: {product.name}"):
                yield release if isinstance(release, BadRecord) else _release(product, release, day)


def _release(product: _Product, one: _ApiRelease, day: str) -> Lifecycle:
    extended = iso_date(one.eoes_from)
    return Lifecycle(
        product=product.name,
        cycle=one.name,
        release=iso_date(one.release_date),
        end=iso_date(one.eol_from) or (day if one.is_eol else ""),
        extended_end=extended,
        extended_name=((product.labels or {}).get("eoes") or "") if extended else "",
        latest=(one.latest.name or "") if one.latest else "",
    )
