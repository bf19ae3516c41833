"""Fetch a file over HTTP: bounded in size and time, and checked for being whole.

Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`), certificates are always checked.
No message contains a password or a key that is part of an address.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.util.retry import Retry

from .. import __version__
from ..errors import AdapterError
from ..models.addresses import check, shown, split
from ..models.feeds import Fetched, NotModified
from .files import translated

_CHUNK = 16 * 1024
_REDIRECTS = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = (429, 500, 502, 503, 504)
_TICK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds, bytes, bytes a second. From `slow_after_s` on, the mean rate must reach `rate`."""

    connect_s: float = 10.0
    read_s: float = 60.0
    total_s: float = 1800.0
    size: int = 2 << 30
    rate: int = 1024
    slow_after_s: float = 60.0
    retries: int = 3
    backoff_s: float = 1.0


class HttpError(AdapterError):
    """A download failed: the message names the address and the reason."""


@dataclass
class _Progress:
    """What the watchdog reads, and its verdict (`slow`)."""

    begun: float
    received: int = 0
    slow: str = ""
    over: threading.Event = field(default_factory=threading.Event)


class Fetcher:
    """Fetches files. One object may fetch many, from one thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"patchctl/{__version__}"
        retry = Retry(
            total=self._limits.retries,
            redirect=0,
            status_forcelist=_TRY_AGAIN,
            allowed_methods=("GET",),
            backoff_factor=self._limits.backoff_s,
            backoff_max=30,
            # A server may ask for hours.
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def fetch(
        self,
        address: str,
        target: Path,
        *,
        etag: str = "",
        last_modified: str = "",
        size: int = 0,
        say: Callable[[int, int], None] = lambda received, total: None,
    ) -> Fetched | NotModified:
        """Fetch into `target`, a file that is made or replaced and is only whole on return.

        `etag`, `last_modified`: what the server sent with the content that is here already. `size`
        0: the limits' size. `say` gets (bytes received, bytes in all or 0).
        Raises InvalidInputError for an invalid address, HttpError for everything else.
        """
        headers = {"Accept-Encoding": "gzip, identity", "Accept": "*/*"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        progress = _Progress(time.monotonic())
        with self._response(address, headers) as response:
            if response.status_code == 304 and (etag or last_modified):
                return NotModified()
            self._check_head(address, response, size or self._limits.size)
            written = self._receive(
                address, response, target, progress, size or self._limits.size, say
            )
            return Fetched(
                size=written,
                etag=response.headers.get("ETag", "")[:500],
                last_modified=response.headers.get("Last-Modified", "")[:100],
            )

    @contextlib.contextmanager
    def _response(self, address: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """The response at the end of the redirects."""
        here = address
        timeout = (self._limits.connect_s, self._limits.read_s)
        for _ in range(_REDIRECTS + 1):
            check(here)
            with self._explained(here):
                response = self._session.get(
                    here, headers=headers, stream=True, timeout=timeout, allow_redirects=False
                )
            with response:
                if response.status_code not in _REDIRECTING:
                    yield response
                    return
                there = _joined(here, response.headers.get("Location", ""))
            if split(here).scheme == "https" and split(there).scheme != "https":
                raise HttpError(
                    f"{shown(here)}: leads to {shown(there)}, which is not encrypted",
                    hint="name an https address",
                )
            here = there
        raise HttpError(f"{shown(address)}: more than {_REDIRECTS} redirects")

    def _check_head(self, address: str, response: requests.Response, size: int) -> None:
        if response.status_code != 200:
            why = f"{response.status_code} {response.reason or ''}".strip()
            hint = _hint(response.status_code)
            raise HttpError(f"{shown(address)}: the server answers {why}", hint=hint)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise HttpError(
                f"{shown(address)}: is a web page, not data",
                hint="a proxy or login page may stand between",
            )
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > size:
            raise _too_big(address, size)

    def _receive(
        self,
        address: str,
        response: requests.Response,
        target: Path,
        progress: _Progress,
        size: int,
        say: Callable[[int, int], None],
    ) -> int:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else 0
        if "Content-Encoding" in response.headers:
            total = 0  # the length of what is sent, not of what is written
        watcher = threading.Thread(
            target=self._watch, args=(response.raw, progress), name="download", daemon=True
        )
        watcher.start()
        try:
            with _new_file(target) as file:
                for chunk in self._chunks(address, response, progress):
                    progress.received += len(chunk)
                    if progress.received > size:
                        raise _too_big(address, size)
                    with translated(target):
                        file.write(chunk)
                    say(progress.received, total)
        finally:
            progress.over.set()
            watcher.join()
        if progress.slow:  # the watchdog shut the connection, which may look like its end
            raise HttpError(f"{shown(address)}: {progress.slow}", hint="what is held stays")
        if total and progress.received != total:
            raise _cut_short(address)
        return progress.received

    def _chunks(
        self, address: str, response: requests.Response, progress: _Progress
    ) -> Iterator[bytes]:
        try:
            with self._explained(address):
                yield from response.iter_content(_CHUNK)
        except HttpError:
            if progress.slow:
                raise HttpError(
                    f"{shown(address)}: {progress.slow}", hint="what is held stays"
                ) from None
            raise

    def _watch(self, raw: Any, progress: _Progress) -> None:
        """Shut a connection that trickles: a read timeout starts anew with each byte."""
        limits = self._limits
        while not progress.over.wait(_TICK_S):
            elapsed = time.monotonic() - progress.begun
            if elapsed > limits.total_s:
                progress.slow = f"took longer than {limits.total_s:g} s"
            elif elapsed > limits.slow_after_s and progress.received < limits.rate * elapsed:
                progress.slow = f"sends less than {limits.rate} bytes a second"
            if progress.slow:
                with contextlib.suppress(Exception):
                    raw.shutdown()
                return

    @contextlib.contextmanager
    def _explained(self, address: str) -> Iterator[None]:
        """Translate errors without their text, which repeats the address with its secrets."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            why, hint = f"the certificate is not accepted: {_tls(error)}", "see REQUESTS_CA_BUNDLE"
            raise HttpError(f"{shown(address)}: {why}", hint=hint) from None
        except requests.exceptions.ProxyError:
            raise HttpError(
                f"{shown(address)}: the proxy does not let it through", hint="see HTTPS_PROXY"
            ) from None
        except requests.exceptions.ConnectTimeout:
            why = f"no connection within {self._limits.connect_s:g} s"
            raise HttpError(f"{shown(address)}: {why}") from None
        except requests.exceptions.ContentDecodingError:
            raise HttpError(f"{shown(address)}: its transfer compression is broken") from None
        except requests.exceptions.ChunkedEncodingError:
            raise _cut_short(address) from None
        except requests.exceptions.Timeout:
            why = f"no answer within {self._limits.read_s:g} s"
            raise HttpError(f"{shown(address)}: {why}") from None
        except requests.exceptions.ConnectionError as error:
            # urllib3's timeout in the middle of a body comes as this, too.
            raise HttpError(f"{shown(address)}: {_connection(error, self._limits)}") from None
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise HttpError(f"{shown(address)}: {type(error).__name__}") from None
        except ValueError:  # requests looks at Location even where it does not follow it
            raise _bad_location(address) from None


def _joined(here: str, location: str) -> str:
    try:
        return urljoin(here, location)
    except ValueError:
        raise _bad_location(here) from None


def _bad_location(address: str) -> HttpError:
    return HttpError(f"{shown(address)}: leads to an address that cannot be read")


def _too_big(address: str, size: int) -> HttpError:
    return HttpError(f"{shown(address)}: is larger than {size >> 20} MiB", hint="it was not kept")


def _cut_short(address: str) -> HttpError:
    return HttpError(f"{shown(address)}: the transfer was cut short", hint="try again")


def _hint(status: int) -> str:
    if status in (401, 403, 407):
        return "credentials for it belong into ~/.netrc"
    return "check the address in patchctl.yml" if 400 <= status < 500 else "try again later"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Everything that an error wraps."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _tls(error: BaseException) -> str:
    for cause in _causes(error):
        message = getattr(cause, "verify_message", "")
        if message:
            return str(message)
    return "TLS failed"


def _connection(error: BaseException, limits: Limits) -> str:
    for cause in _causes(error):
        if isinstance(cause, NameResolutionError):
            return "the name does not resolve"
        if isinstance(cause, TimeoutError) or type(cause).__name__ == "ReadTimeoutError":
            return f"nothing came for {limits.read_s:g} s"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            return str(cause.strerror).lower()
    return "the connection failed"


@contextlib.contextmanager
def _new_file(target: Path) -> Iterator[Any]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with translated(target):
        handle = os.open(target, flags, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
