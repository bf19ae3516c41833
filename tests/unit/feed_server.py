"""Run a web server in a thread that answers, well or badly, as a test says."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; `answers` are the server's."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, Answer]
    seen: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers)))
        answer = self.answers.get(self.path.partition("?")[0])
        if answer is None:
            self.send(b"no such file", code=404)
        else:
            answer(self)

    def send(self, body: bytes, *, code: int = 200, length: int = -1, **headers: str) -> None:
        """Send a complete answer. `length` is a false length in place of the body's own."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)
        if length > len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class FeedServer:
    """`with FeedServer() as server: server.put("/x", b"…")`, then `server.url("/x")`."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        kind = type("Own", (Handler,), {"answers": self.answers, "seen": self.seen})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def put(self, path: str, body: bytes, **headers: str) -> None:
        """Answer with this body, or with 304 to a client that has it (where `headers` have an
        ETag)."""

        def answer(request: Handler) -> None:
            tag = headers.get("ETag")
            if tag and request.headers.get("If-None-Match") == tag:
                request.send_response(304)
                request.end_headers()
            else:
                request.send(body, code=200, length=-1, **headers)

        self.answers[path] = answer

    def asked(self) -> list[str]:
        """The paths that were requested, in order."""
        return [path for path, _ in self.seen]
