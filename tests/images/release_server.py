"""A release server on 127.0.0.1 that misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One path. Lists are used up, one entry per GET."""

    data: bytes
    etag: str | None = None
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)  # close the connection after so many bytes of the body
    then: bytes | None = None  # the content after the first GET
    ignore_range: bool = False
    lie_about_length: int = 0
    stall_after: int | None = None
    pause_per_block_seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def current_etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:12]}"' if self.etag is None else self.etag


class ReleaseServer:
    def __init__(self) -> None:
        self.paths: dict[str, Served] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, str, str]] = []  # method, path, Range
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.01), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, path: str, data: bytes, **options: object) -> Served:
        self.paths[path] = Served(data, **options)  # type: ignore[arg-type]
        return self.paths[path]

    def gets(self, path: str) -> list[str]:
        return [span for method, got, span in self.requests if method == "GET" and got == path]

    def __enter__(self) -> ReleaseServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(state: ReleaseServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            state.requests.append(("HEAD", self.path, ""))
            self.send_response(200 if self.path in state.paths else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            state.requests.append(("GET", self.path, self.headers.get("Range", "")))
            if self.path in state.redirects:
                return self._plain(302, {"Location": state.redirects[self.path]})
            served = state.paths.get(self.path)
            if served is None:
                return self._plain(404, {})
            if served.statuses and (status := served.statuses.pop(0)) != 200:
                return self._plain(status, {})
            start = self._start(served)
            if start is not None and start >= len(served.data):
                return self._plain(416, {})
            self._body(served, start)
            if served.then is not None:
                served.data, served.then = served.then, None
            return None

        def _start(self, served: Served) -> int | None:
            asked = self.headers.get("Range", "")
            if not asked or served.ignore_range or self.headers.get("If-Range") != served.current_etag:
                return None
            return int(asked.removeprefix("bytes=").rstrip("-"))

        def _body(self, served: Served, start: int | None) -> None:
            body = served.data[start or 0 :]
            self.send_response(200 if start is None else 206)
            if served.current_etag:
                self.send_header("ETag", served.current_etag)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
            self.send_header("Content-Length", str(len(body) + served.lie_about_length))
            self.send_header("Connection", "close")
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            limit = served.cuts.pop(0) if served.cuts else len(body)
            limit = min(limit, len(body) if served.stall_after is None else served.stall_after)
            for at in range(0, limit, 65536):
                try:
                    self.wfile.write(body[at : min(at + 65536, limit)])
                except OSError:
                    return
                time.sleep(served.pause_per_block_seconds)
            if served.stall_after is not None:
                state.closing.wait(20)

        def _plain(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0", "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler
