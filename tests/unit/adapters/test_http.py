"""Downloads over a real socket: complete ones are stored, all others give one clear line."""

import gzip
import io
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from feed_server import FeedServer, Handler

from patchctl.adapters.http import Fetcher, HttpError, Limits
from patchctl.errors import AdapterError, InvalidInputError
from patchctl.models.addresses import shown
from patchctl.models.feeds import Fetched, NotModified

QUICK = Limits(connect_s=1, read_s=0.5, total_s=10, size=1 << 20, retries=2, backoff_s=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with FeedServer() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "feed"


def fails(server: FeedServer, target: Path, path: str = "/x", limits: Limits = QUICK) -> str:
    with pytest.raises(HttpError) as raised:
        Fetcher(limits).fetch(server.url(path), target)
    return str(raised.value)


def test_a_file_comes_whole_and_private(server: FeedServer, target: Path) -> None:
    body = os.urandom(300_000)
    server.put("/x", body, ETag='"1"', Last_Modified="Mon, 23 Nov 2026 10:00:00 GMT")
    progress: list[tuple[int, int]] = []
    fetched = Fetcher(QUICK).fetch(server.url("/x"), target, say=lambda *it: progress.append(it))
    assert fetched == Fetched(
        size=len(body), etag='"1"', last_modified="Mon, 23 Nov 2026 10:00:00 GMT"
    )
    assert target.read_bytes() == body
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert progress[-1] == (len(body), len(body))


def test_what_is_there_already_does_not_come_again(server: FeedServer, target: Path) -> None:
    server.put("/x", b"data", ETag='"1"')
    assert Fetcher(QUICK).fetch(server.url("/x"), target, etag='"1"') == NotModified()
    assert not target.exists()
    assert isinstance(Fetcher(QUICK).fetch(server.url("/x"), target, etag='"0"'), Fetched)


def test_a_304_that_nobody_asked_for_is_an_error(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = lambda request: request.send(b"", code=304)
    assert "answers 304" in fails(server, target)


def test_a_cut_transfer_is_noticed(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = lambda request: request.send(b"half of it", length=1000)
    assert "cut short" in fails(server, target)


def test_a_cut_chunked_transfer_is_noticed(server: FeedServer, target: Path) -> None:
    def answer(request: Handler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"5\r\nhello\r\n20\r\nwor")
        request.close_connection = True

    server.answers["/x"] = answer
    assert "cut short" in fails(server, target)


def test_html_instead_of_data_is_refused(server: FeedServer, target: Path) -> None:
    server.put("/x", b"<html>log in", Content_Type="text/html; charset=utf-8")
    assert "is a web page, not data" in fails(server, target)


def test_a_redirect_is_followed(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = lambda request: request.send(b"", code=302, Location="/y?part=1")
    server.put("/y", b"data")
    assert isinstance(Fetcher(QUICK).fetch(server.url("/x"), target), Fetched)
    assert target.read_bytes() == b"data"
    assert server.asked() == ["/x", "/y?part=1"]


def test_redirects_that_never_end_are_given_up(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = lambda request: request.send(b"", code=301, Location="/x")
    assert "more than 5 redirects" in fails(server, target)
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://x.example/", "//[broken", "http:///"]
)
def test_a_redirect_out_of_http_is_refused(server: FeedServer, target: Path, there: str) -> None:
    server.answers["/x"] = lambda request: request.send(b"", code=302, Location=there)
    with pytest.raises((InvalidInputError, HttpError)):
        Fetcher(QUICK).fetch(server.url("/x"), target)
    assert not target.exists()


def test_a_redirect_from_https_to_http_is_refused(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    def get(self: requests.Session, url: str, **kwargs: object) -> requests.Response:
        assert url.startswith("https:"), "the plain address must not be asked"
        answer = requests.Response()
        answer.status_code = 302
        answer.headers["Location"] = "http://feeds.example/x"
        answer.raw = io.BytesIO()
        return answer

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(HttpError, match="which is not encrypted"):
        Fetcher(QUICK).fetch("https://feeds.example/x", target)


def test_a_server_that_does_not_answer_is_given_up(server: FeedServer, target: Path) -> None:
    def answer(request: Handler) -> None:
        time.sleep(1.5)
        request.close_connection = True

    server.answers["/x"] = answer
    no_retry = Limits(connect_s=1, read_s=0.3, retries=0)
    assert "nothing came for 0.3 s" in fails(server, target, limits=no_retry)


def test_a_server_that_stalls_in_the_middle_is_given_up(server: FeedServer, target: Path) -> None:
    def answer(request: Handler) -> None:
        request.send(b"begin", length=100)
        time.sleep(1.5)

    server.answers["/x"] = answer
    assert "nothing came for 0.5 s" in fails(server, target)


def trickle(request: Handler) -> None:
    """Send a byte now and then, so that no read times out."""
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    for _ in range(100):
        try:
            request.wfile.write(b"x")
            request.wfile.flush()
        except OSError:
            return
        time.sleep(0.1)


def test_a_server_that_trickles_is_given_up_by_its_rate(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = trickle
    begun = time.monotonic()
    limits = Limits(read_s=5, slow_after_s=0.5, rate=1000)
    assert "sends less than 1000 bytes a second" in fails(server, target, limits=limits)
    assert time.monotonic() - begun < 4


def test_a_download_has_a_total_time(server: FeedServer, target: Path) -> None:
    server.answers["/x"] = trickle
    limits = Limits(read_s=5, total_s=0.5)
    assert "took longer than 0.5 s" in fails(server, target, limits=limits)


def test_a_file_that_is_too_large_by_its_length_is_not_begun(
    server: FeedServer, target: Path
) -> None:
    server.answers["/x"] = lambda request: request.send(b"", length=1 << 30)
    assert "is larger than 1 MiB" in fails(server, target)
    assert not target.exists()


def test_a_file_of_unknown_length_is_stopped_at_the_limit(server: FeedServer, target: Path) -> None:
    def answer(request: Handler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        for _ in range(100):
            try:
                request.wfile.write(b"x" * 65536)
            except OSError:
                return

    server.answers["/x"] = answer
    assert "is larger than 1 MiB" in fails(server, target)
    assert target.stat().st_size <= (1 << 20) + 65536


def test_a_compressed_transfer_is_unpacked(server: FeedServer, target: Path) -> None:
    server.put("/x", gzip.compress(b"data" * 1000), Content_Encoding="gzip")
    fetched = Fetcher(QUICK).fetch(server.url("/x"), target)
    assert isinstance(fetched, Fetched)
    assert fetched.size == 4000
    assert target.read_bytes() == b"data" * 1000


def test_a_bomb_in_the_transfer_compression_is_stopped(server: FeedServer, target: Path) -> None:
    server.put("/x", gzip.compress(bytes(200 << 20)), Content_Encoding="gzip")
    assert "is larger than 1 MiB" in fails(server, target)
    assert target.stat().st_size <= (1 << 20) + 65536


def test_broken_transfer_compression_is_an_error(server: FeedServer, target: Path) -> None:
    server.put("/x", b"this is not gzip", Content_Encoding="gzip")
    assert "transfer compression is broken" in fails(server, target)


def test_a_server_in_trouble_is_asked_again(server: FeedServer, target: Path) -> None:
    def answer(request: Handler) -> None:
        bad = len(server.seen) < 3
        request.send(b"busy" if bad else b"data", code=503 if bad else 200)

    server.answers["/x"] = answer
    assert isinstance(Fetcher(QUICK).fetch(server.url("/x"), target), Fetched)
    server.answers["/x"] = lambda request: request.send(b"busy", code=503)
    assert "answers 503" in fails(server, target)


def test_what_is_not_there_is_said(server: FeedServer, target: Path) -> None:
    assert "answers 404" in fails(server, target, "/other")


def test_no_server_and_no_name(server: FeedServer, target: Path) -> None:
    quick = Limits(retries=0, connect_s=2)
    with pytest.raises(HttpError, match=r"127\.0\.0\.1:1/x: connection refused"):
        Fetcher(quick).fetch("http://127.0.0.1:1/x", target)
    with pytest.raises(HttpError, match="does not resolve"):
        Fetcher(quick).fetch("http://no.such.host.invalid/x", target)


def test_no_message_holds_a_secret(server: FeedServer, target: Path) -> None:
    quick = Limits(retries=0, connect_s=2)
    for address in (
        "http://ann:hunter2@127.0.0.1:1/x?token=hunter2#hunter2",
        server.url("/none?token=hunter2"),
        "http://ann:hunter2@[broken/?token=hunter2",
        "http://ann:hunter2@x.example:hunter2/",
        "ftp://ann:hunter2@x.example/",
    ):
        with pytest.raises((HttpError, InvalidInputError)) as raised:
            Fetcher(quick).fetch(address, target)
        assert "hunter2" not in str(raised.value)
    assert shown("https://a:b@x.example:8443/p?q=1#f") == "https://x.example:8443/p?…"


def test_a_file_that_cannot_be_written_is_told(server: FeedServer, target: Path) -> None:
    server.put("/x", b"data")
    with pytest.raises(AdapterError, match="No such file"):
        Fetcher(QUICK).fetch(server.url("/x"), target / "missing" / "x")
